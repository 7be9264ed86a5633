// Probe does what tests/conformance/README.md says of it: a mode for each thing that an SDK has to get right.
package main

import (
	"fmt"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Config says what is probed.
type Config struct {
	Mode string `json:"mode"`
}

// Probe is the operator, with a state of each kind.
type Probe struct {
	mode   func(p *Probe, ctx *millstream.Context, record millstream.Record) error
	count  millstream.Value[int64]       `state:"count"`
	note   millstream.Value[string]      `state:"note,noprefetch,ttl=60s"`
	fields millstream.Map[string, int64] `state:"fields"`
	items  millstream.List[string]       `state:"items"`
}

var modes = map[string]func(p *Probe, ctx *millstream.Context, record millstream.Record) error{
	"echo": (*Probe).echo, "drop": (*Probe).drop, "route": (*Probe).route, "twice": (*Probe).twice,
	"bare": (*Probe).bare, "tombstone": (*Probe).tombstone, "count": (*Probe).counted, "add": (*Probe).add,
	"forget": (*Probe).forget, "note": (*Probe).noted, "fields": (*Probe).field, "items": (*Probe).item,
	"timers": (*Probe).timers, "fail": (*Probe).fail, "crash": (*Probe).crash, "loop": (*Probe).loop,
	"memory": (*Probe).memory, "log": (*Probe).log, "metrics": (*Probe).metrics, "clock": (*Probe).clock,
	"json": (*Probe).json,
}

// NewProbe makes the operator of a mode.
func NewProbe(config Config) (*Probe, error) {
	mode, known := modes[config.Mode]
	if !known {
		return nil, fmt.Errorf("unknown mode `%s`", config.Mode)
	}
	return &Probe{mode: mode}, nil
}

// Process does what the mode says.
func (p *Probe) Process(ctx *millstream.Context, record millstream.Record) error {
	return p.mode(p, ctx, record)
}

// OnTimer tells of a timer.
func (p *Probe) OnTimer(ctx *millstream.Context, timer millstream.Timer) error {
	return ctx.Emit(millstream.Text(fmt.Sprintf("%s %s %d", timer.Domain(), timer.Name(), timer.TimeMs())))
}

// Program is the operator as the component exports it.
var Program = operator.Export(NewProbe, operator.Outputs("main", "other"))

func main() {}
