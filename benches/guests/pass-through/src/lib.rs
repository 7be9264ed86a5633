//! Emits every record as it came.

use millstream_guest::prelude::*;

#[derive(Default)]
struct PassThrough;

#[operator]
impl Operator for PassThrough {
    fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        ctx.emit(Output::same())
    }
}
