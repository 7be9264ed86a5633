package main

import (
	"fmt"
	"strconv"
	"strings"

	"millstream.dev/millstream"
)

func (p *Probe) counted(ctx *millstream.Context, _ millstream.Record) error { return p.addTo(ctx, 1) }

func (p *Probe) add(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("not an integer: `%s`", text)
	}
	return p.addTo(ctx, number)
}

func (p *Probe) addTo(ctx *millstream.Context, number int64) error {
	sum, err := p.count.Or(0)
	if err != nil {
		return err
	}
	if err := p.count.Set(sum + number); err != nil {
		return err
	}
	return ctx.Emit(millstream.Text(strconv.FormatInt(sum+number, 10)))
}

func (p *Probe) forget(*millstream.Context, millstream.Record) error { return p.count.Remove() }

func (p *Probe) noted(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	if text != "" {
		return p.note.Set(text)
	}
	note, err := p.note.Or("none")
	if err != nil {
		return err
	}
	return ctx.Emit(millstream.Text(note))
}

func (p *Probe) field(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	switch words := strings.Split(text, " "); {
	case len(words) == 3 && words[0] == "set":
		number, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			break
		}
		return p.fields.Set(words[1], number)
	case len(words) == 2 && words[0] == "remove":
		return p.fields.Remove(words[1])
	case text == "clear":
		return p.fields.Clear()
	case len(words) == 2 && words[0] == "get":
		number, found, err := p.fields.Get(words[1])
		if err != nil {
			return err
		}
		if !found {
			return ctx.Emit(millstream.Text("none"))
		}
		return ctx.Emit(millstream.Text(strconv.FormatInt(number, 10)))
	case text == "list":
		return p.listFields(ctx, p.fields.Each)
	case len(words) == 3 && words[0] == "range":
		return p.listFields(ctx, func(visit func(string, int64) error) error {
			return p.fields.EachIn(words[1], words[2], visit)
		})
	}
	return fmt.Errorf("unknown command `%s`", text)
}

func (p *Probe) listFields(ctx *millstream.Context, each func(func(string, int64) error) error) error {
	var entries []string
	err := each(func(field string, value int64) error {
		entries = append(entries, fmt.Sprintf("%s=%d", field, value))
		return nil
	})
	if err != nil {
		return err
	}
	return ctx.Emit(millstream.Text(strings.Join(entries, ",")))
}

func (p *Probe) item(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	switch command, item, given := strings.Cut(text, " "); {
	case command == "push" && given:
		return p.items.Append(item)
	case text == "clear":
		return p.items.Clear()
	case text == "length":
		length, err := p.items.Len()
		if err != nil {
			return err
		}
		return ctx.Emit(millstream.Text(strconv.FormatUint(length, 10)))
	case text == "list":
		var items []string
		for item := range p.items.All() {
			items = append(items, item)
		}
		return ctx.Emit(millstream.Text(strings.Join(items, ",")))
	}
	return fmt.Errorf("unknown command `%s`", text)
}

func (p *Probe) timers(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	words := strings.Split(text, " ")
	if len(words) == 3 {
		timeMs, err := strconv.ParseInt(words[2], 10, 64)
		switch {
		case err != nil:
		case words[0] == "event":
			return ctx.SetEventTimer(words[1], timeMs)
		case words[0] == "processing":
			return ctx.SetProcessingTimer(words[1], timeMs)
		}
	}
	if len(words) == 2 {
		switch words[0] {
		case "delete-event":
			return ctx.DeleteEventTimer(words[1])
		case "delete-processing":
			return ctx.DeleteProcessingTimer(words[1])
		}
	}
	return fmt.Errorf("unknown command `%s`", text)
}
