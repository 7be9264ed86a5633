package millstream

import (
	"reflect"
	"unsafe"
)

// NewProgram makes a program of a [Processor]; operator.Export does so and exports it.
func NewProgram[C any, O Processor](create func(config C) (O, error), options ...Option) *Program {
	program := newProgram(create, func(i *instance, operator O) {
		i.record = func(row int) error { return operator.Process(&i.context, Record{&i.frame, row}) }
		if handler, ok := any(operator).(TimerHandler); ok {
			i.timer = func(timer Timer) error { return handler.OnTimer(&i.context, timer) }
		}
	}, options)
	program.timers = reflect.TypeFor[O]().Implements(reflect.TypeFor[TimerHandler]())
	return program
}

// NewTypedProgram makes a program of a [TypedProcessor]; operator.ExportTyped does so and exports it.
func NewTypedProgram[C, R, W any, O TypedProcessor[R, W]](create func(config C) (O, error), options ...Option) *Program {
	program := newProgram(create, func(i *instance, operator O) {
		context := &TypedContext[W]{&i.context}
		record := new(R)
		i.record = func(row int) error {
			readRow(i.readers, unsafe.Pointer(record), row)
			return operator.Process(context, record)
		}
		if handler, ok := any(operator).(TypedTimerHandler[W]); ok {
			i.timer = func(timer Timer) error { return handler.OnTimer(context, timer) }
		}
	}, options)
	program.timers = reflect.TypeFor[O]().Implements(reflect.TypeFor[TypedTimerHandler[W]]())
	program.typed(reflect.TypeFor[R](), reflect.TypeFor[W]())
	return program
}
