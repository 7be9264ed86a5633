package millstream

import (
	"errors"
	"unsafe"

	"millstream.dev/millstream/contract"
)

// TypedProcessor is an operator that declares the fields that it reads and the fields that it writes: the host parses
// the records and writes the results, and the operator sees structs. R and W are structs whose fields say which:
//
//	type Payment struct {
//		User   string                        `field:"/user/id"`
//		Amount float64                       `field:"/amount"`
//		Coupon millstream.Optional[string]   `field:"/coupon"`
//		Extra  millstream.Optional[[]byte]   `field:"/extra"` // any JSON, as it stands
//	}
//
// Fields are int64 (or int), float64, bool, string and []byte, the last one for any JSON text. A record that lacks a
// field which is not Optional fails before the operator sees it. Key, time and headers are those of ctx.Record(), whose
// value is passed only with the option RawValues.
type TypedProcessor[R, W any] interface {
	// Process handles a record: it uses the state of its key and emits any number of records; none drops it. An
	// error is why the record fails. The struct is used again for the next record: copy it if it is to stay. Its
	// texts may be kept, its bytes are borrowed.
	Process(ctx *TypedContext[W], record *R) error
}

// TypedTimerHandler is a [TypedProcessor] that sets timers.
type TypedTimerHandler[W any] interface {
	OnTimer(ctx *TypedContext[W], timer Timer) error
}

// TypedContext is a [Context] for results of type W. What is not typed goes out by ctx.Context.Emit, to another output
// than what is: an output has the one or the other in a batch.
type TypedContext[W any] struct {
	*Context
}

// Emit sends a result to the main output, with the key, event time and headers of the record in hand.
func (c *TypedContext[W]) Emit(result W) error {
	return c.emitTyped(0, &asIs, unsafe.Pointer(&result))
}

// EmitAs sends a result as an output whose value it is:
//
//	ctx.EmitAs(millstream.Typed().To("late").KeyText(user), result)
func (c *TypedContext[W]) EmitAs(output Output, result W) error {
	at, err := c.output(output.name)
	if err != nil {
		return err
	}
	return c.emitTyped(at, &output, unsafe.Pointer(&result))
}

// Typed is an output whose value is a typed result, for [TypedContext.EmitAs].
func Typed() Output { return Output{} }

var (
	asIs        Output
	errNoFields = errors.New("the results have no field with a tag such as `field:\"/total\"`")
)

func (c *Context) emitTyped(at int, output *Output, result unsafe.Pointer) error {
	builder := &c.frame.outputs[at]
	if len(builder.sources) != builder.typedRows {
		return errMixed
	}
	if len(builder.typed) == 0 {
		return errNoFields
	}
	for at := range builder.typed {
		if kind := builder.typed[at].Kind; kind != contract.Int64 && kind != contract.Boolean {
			if err := builder.typed[at].check(result); err != nil {
				return err
			}
		}
	}
	for at := range builder.typed {
		builder.typed[at].push(result)
	}
	builder.typedRows++
	builder.pushRest(c.frame, output)
	return nil
}
