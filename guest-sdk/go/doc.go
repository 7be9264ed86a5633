// Package millstream is for writing operators of the stream host Millstream in Go.
//
// An operator is a struct with a method Process, and states as fields:
//
//	type Config struct {
//		Goal uint64 `json:"goal"`
//	}
//
//	type Visits struct {
//		goal  uint64
//		count millstream.Value[uint64] `state:"count,ttl=30d"`
//	}
//
//	func NewVisits(config Config) (*Visits, error) { return &Visits{goal: config.Goal}, nil }
//
//	func (v *Visits) Process(ctx *millstream.Context, record millstream.Record) error {
//		count, err := v.count.Or(0)
//		if err != nil {
//			return err
//		}
//		if err := v.count.Set(count + 1); err != nil {
//			return err
//		}
//		return ctx.Emit(millstream.JSON(count + 1))
//	}
//
//	var Program = operator.Export(NewVisits)
//
//	func main() {}
//
// `millstream plugin build` makes a component of it; package millstreamtest tests it with go test, without
// WebAssembly. Packages aggregator, assigner, trigger, process and watermark are for parts of windows.
package millstream
