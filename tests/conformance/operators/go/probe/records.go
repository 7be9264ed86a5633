package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"millstream.dev/millstream"
)

func (p *Probe) echo(ctx *millstream.Context, _ millstream.Record) error {
	return ctx.Emit(millstream.Same())
}

func (p *Probe) drop(*millstream.Context, millstream.Record) error { return nil }

func (p *Probe) route(ctx *millstream.Context, record millstream.Record) error {
	if bytes.HasPrefix(record.Value(), []byte("other")) {
		return ctx.Emit(millstream.Same().To("other"))
	}
	return ctx.Emit(millstream.Same())
}

func (p *Probe) twice(ctx *millstream.Context, record millstream.Record) error {
	if err := ctx.Emit(millstream.Same()); err != nil {
		return err
	}
	second := millstream.Same().KeyText("second").Header("copy", []byte("1")).TimestampMs(record.TimestampMs() + 1)
	return ctx.Emit(second)
}

func (p *Probe) bare(ctx *millstream.Context, _ millstream.Record) error {
	return ctx.Emit(millstream.Same().NoKey().NoInputHeaders())
}

func (p *Probe) tombstone(ctx *millstream.Context, _ millstream.Record) error {
	return ctx.Emit(millstream.Tombstone())
}

func (p *Probe) fail(ctx *millstream.Context, record millstream.Record) error {
	if err := p.counted(ctx, record); err != nil {
		return err
	}
	if bytes.HasPrefix(record.Value(), []byte("bad")) {
		reason, err := record.Text()
		if err != nil {
			return err
		}
		return errors.New(reason)
	}
	return nil
}

func (p *Probe) crash(ctx *millstream.Context, record millstream.Record) error {
	if string(record.Value()) == "crash" {
		panic("boom")
	}
	return ctx.Emit(millstream.Same())
}

func (p *Probe) loop(ctx *millstream.Context, record millstream.Record) error {
	for string(record.Value()) == "loop" {
	}
	return ctx.Emit(millstream.Same())
}

func (p *Probe) memory(ctx *millstream.Context, record millstream.Record) error {
	var taken [][]byte
	for string(record.Value()) == "memory" {
		taken = append(taken, bytes.Repeat([]byte{1}, 1<<20))
	}
	return ctx.Emit(millstream.Same())
}

func (p *Probe) log(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	lines, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	for line := range lines {
		slog.Info("line " + strconv.Itoa(line))
	}
	return ctx.Emit(millstream.Same())
}

func (p *Probe) metrics(ctx *millstream.Context, record millstream.Record) error {
	size := float64(len(record.Value()))
	ctx.Counter("probes").Add(1)
	ctx.Gauge("size").Set(size)
	ctx.Histogram("sizes").Record(size)
	return ctx.Emit(millstream.Same())
}

func (p *Probe) clock(ctx *millstream.Context, _ millstream.Record) error {
	return ctx.Emit(millstream.Text(fmt.Sprintf("%d %d", ctx.NowMs(), ctx.RandomU64())))
}

func (p *Probe) json(ctx *millstream.Context, record millstream.Record) error {
	var read struct {
		N *int64  `json:"n"`
		S *string `json:"s"`
	}
	text, err := record.Text()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return err
	}
	if read.N == nil || read.S == nil {
		return errors.New("the members `n` and `s` are wanted")
	}
	written := ctx.Writer().Object()
	written.Int("n", *read.N+1).Text("s", *read.S).EndObject()
	return ctx.Emit(millstream.Bytes(written.Bytes()))
}
