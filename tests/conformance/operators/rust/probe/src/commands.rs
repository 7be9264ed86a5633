//! The modes that take commands.

use millstream_guest::prelude::*;

use crate::Ctx;

fn unknown<T>(text: &str) -> Result<T> {
    fail!("unknown command `{text}`")
}

fn number(digits: &str, text: &str) -> Result<i64> {
    digits.parse().or_else(|_| unknown(text))
}

pub fn fields(text: &str, ctx: &mut Ctx<'_>) -> Result<()> {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["set", field, digits] => ctx.state.fields.set(*field, &number(digits, text)?),
        ["remove", field] => ctx.state.fields.remove(*field),
        ["clear"] => ctx.state.fields.clear(),
        ["get", field] => {
            let value = ctx.state.fields.get(*field)?.map_or_else(|| "none".into(), |value| value.to_string());
            ctx.emit(Output::bytes(&value))
        }
        ["list"] => listed(ctx.state.fields.iter()?.collect::<Result<Vec<_>>>()?, ctx),
        ["range", from, to] => listed(ctx.state.fields.range(*from..*to)?.collect::<Result<Vec<_>>>()?, ctx),
        _ => unknown(text),
    }
}

fn listed(entries: Vec<(String, i64)>, ctx: &Ctx<'_>) -> Result<()> {
    let entries: Vec<String> = entries.into_iter().map(|(field, value)| format!("{field}={value}")).collect();
    ctx.emit(Output::bytes(&entries.join(",")))
}

pub fn items(text: &str, ctx: &mut Ctx<'_>) -> Result<()> {
    match text.split_once(' ') {
        Some(("push", item)) => ctx.state.items.push(&item.to_owned()),
        None if text == "clear" => ctx.state.items.clear(),
        None if text == "length" => ctx.emit(Output::bytes(&ctx.state.items.len()?.to_string())),
        None if text == "list" => {
            let items = ctx.state.items.iter()?.collect::<Result<Vec<_>>>()?;
            ctx.emit(Output::bytes(&items.join(",")))
        }
        _ => unknown(text),
    }
}

pub fn timers(text: &str, ctx: &mut Ctx<'_>) -> Result<()> {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["event", name, time] => ctx.set_event_timer(name, number(time, text)?),
        ["processing", name, time] => ctx.set_processing_timer(name, number(time, text)?),
        ["delete-event", name] => ctx.delete_event_timer(name),
        ["delete-processing", name] => ctx.delete_processing_timer(name),
        _ => unknown(text),
    }
}
