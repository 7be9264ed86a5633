package millstream

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"millstream.dev/millstream/contract"
)

// BatchProcessor is an operator that sees whole batches: worth its while where records are many and cheap. Each batch
// stands or falls as a whole; what concerns one record goes to [Batch.Fail].
type BatchProcessor interface {
	ProcessBatch(batch *Batch) error
}

// ColumnsProcessor is an operator that declares typed fields and sees them as whole columns. R is a struct of [Int64s],
// [Float64s], [Bools], [Texts] and [JSONs], W one of [Int64Writer], [Float64Writer], [BoolWriter], [TextWriter] and
// [JSONWriters], each with a tag `field:"/path"` or `field:"/path,optional"`.
//
// Results are of the main output: append one value to each column of results, and call [Batch.Emit] with the record
// that it is of. Without a call of Emit, the results are those of all records in order.
type ColumnsProcessor[R, W any] interface {
	ProcessColumns(batch *Batch, records *R, results *W) error
}

// Batch is the batch in hand. What it returns is borrowed.
type Batch struct {
	Context
	// emitted: Emit was called.
	emitted bool
}

// Len returns the number of records.
func (b *Batch) Len() int { return b.frame.count }

// Record returns a record.
func (b *Batch) Record(row int) Record { return Record{b.frame, row} }

// At goes to a record: what is done by the Context next, and by states, is done for it.
func (b *Batch) At(row int) *Context {
	b.frame.keep()
	b.frame.seek(row)
	return &b.Context
}

// Groups returns for each record the number of its key among the distinct keys of the batch; the largest number for a
// record without one. Empty where the operator keeps no state.
func (b *Batch) Groups() []uint32 { return b.frame.groups }

// Group returns the number of a record's key, or the failure of a record without one. States have their values At it.
func (b *Batch) Group(row int) (uint32, error) {
	if row >= len(b.frame.groups) || b.frame.groups[row] == contract.NoGroup {
		return 0, ErrNoKey
	}
	return b.frame.groups[row], nil
}

// Fail says why a record fails. Records fail in ascending order; one that fails must have changed nothing.
func (b *Batch) Fail(row int, reason error) {
	if failed := b.frame.failed; len(failed) > 0 && int(failed[len(failed)-1]) >= row {
		panic(recordFailure{fmt.Errorf("record %d fails after record %d", row, failed[len(failed)-1])})
	}
	b.frame.row = row
	b.frame.fail(reason)
}

// Emit says that the next row of typed results is of a record. Rows must not go back.
func (b *Batch) Emit(row int) {
	b.emitted = true
	b.frame.row = row
	b.frame.outputs[0].pushRest(b.frame, &asIs)
}

// NewBatchProgram makes a program of a [BatchProcessor]; operator.ExportBatch does so and exports it.
func NewBatchProgram[C any, O BatchProcessor](create func(config C) (O, error), options ...Option) *Program {
	program := newProgram(create, func(i *instance, operator O) {
		batch := &Batch{Context: i.context}
		i.batch = func() error { return operator.ProcessBatch(batch) }
		i.bindTimer(operator)
	}, options)
	program.timers = reflect.TypeFor[O]().Implements(reflect.TypeFor[TimerHandler]())
	return program
}

// NewColumnsProgram makes a program of a [ColumnsProcessor]; operator.ExportColumns does so and exports it.
func NewColumnsProgram[C, R, W any, O ColumnsProcessor[R, W]](
	create func(config C) (O, error), options ...Option,
) *Program {
	readers, writers := columnsOf[columnReader](reflect.TypeFor[R]()), columnsOf[columnWriter](reflect.TypeFor[W]())
	program := newProgram(create, func(i *instance, operator O) {
		batch := &Batch{Context: i.context}
		records, results := new(R), new(W)
		i.batch = func() error {
			if err := bindColumns(readers, reflect.ValueOf(records), &i.frame.input.Batch); err != nil {
				return err
			}
			written := writersOf(writers, reflect.ValueOf(results))
			batch.emitted = false
			if err := operator.ProcessColumns(batch, records, results); err != nil {
				return err
			}
			return batch.typedResults(writers, written)
		}
		i.bindTimer(operator)
	}, options)
	program.timers = reflect.TypeFor[O]().Implements(reflect.TypeFor[TimerHandler]())
	for _, column := range readers {
		program.columnReads = append(program.columnReads, column.FieldDeclaration)
	}
	for _, column := range writers {
		program.columnWrites = append(program.columnWrites, column.FieldDeclaration)
	}
	return program
}

func (i *instance) bindTimer(operator any) {
	if handler, ok := operator.(TimerHandler); ok {
		i.timer = func(timer Timer) error { return handler.OnTimer(&i.context, timer) }
	}
}

// typedResults makes the columns that were written those of the main output.
func (b *Batch) typedResults(fields []columnField, written []columnWriter) error {
	output := &b.frame.outputs[0]
	rows := 0
	if len(written) > 0 {
		rows = written[0].rows()
	}
	if !b.emitted && rows > 0 {
		if rows != b.frame.count || len(b.frame.failed) > 0 {
			return BatchError(fmt.Errorf("there are %d rows of results of %d records, and Emit does not say of which",
				rows, b.frame.count))
		}
		for row := range rows {
			b.Emit(row)
		}
	}
	for at, column := range written {
		if column.rows() != len(output.sources) {
			return BatchError(fmt.Errorf("there are %d values of %s where %d records are emitted",
				column.rows(), fields[at].Path, len(output.sources)))
		}
	}
	if rows > 0 {
		output.typedRows, output.columns = rows, output.columns[:0]
		for at, column := range written {
			if numbers, ok := column.(*Float64Writer); ok && numbers.odd != 0 {
				return BatchError(noForm(fields[at].Path, numbers.odd))
			}
			typed, hasNull := column.column()
			if hasNull && !fields[at].Optional {
				return BatchError(fmt.Errorf("%s has a null, and is not declared optional", fields[at].Path))
			}
			typed.Name = fields[at].Path
			output.columns = append(output.columns, typed)
		}
	}
	return nil
}

// columnField is a column in a struct.
type columnField struct {
	contract.FieldDeclaration
	at int
}

var errColumns = errors.New("millstream: not a column")

// columnsOf finds the columns of a struct: fields with a tag.
func columnsOf[T interface{ kind() contract.ColumnType }](of reflect.Type) []columnField {
	var fields []columnField
	for at := range of.NumField() {
		member := of.Field(at)
		tag, tagged := member.Tag.Lookup("field")
		if !tagged {
			continue
		}
		column, ok := reflect.New(member.Type).Interface().(T)
		if !ok {
			panic(fmt.Sprintf("%v: %s.%s is a %s", errColumns, of, member.Name, member.Type))
		}
		path, optional := cutOption(tag, "optional")
		field := columnField{at: at}
		field.Path, field.Kind, field.Optional = path, column.kind(), optional
		fields = append(fields, field)
	}
	return fields
}

func bindColumns(fields []columnField, into reflect.Value, batch *contract.RecordBatch) error {
	if len(batch.Columns) != len(fields) {
		return BatchError(fmt.Errorf("the host passed %d typed columns where %d are declared", len(batch.Columns), len(fields)))
	}
	for at := range fields {
		memberAt(into, fields[at].at).(columnReader).bind(&batch.Columns[at])
	}
	return nil
}

func writersOf(fields []columnField, of reflect.Value) []columnWriter {
	writers := make([]columnWriter, len(fields))
	for at := range fields {
		writers[at] = memberAt(of, fields[at].at).(columnWriter)
		writers[at].reset()
	}
	return writers
}

// memberAt is the address of a field, which need not be exported.
func memberAt(of reflect.Value, at int) any {
	member := of.Elem().Field(at)
	return reflect.NewAt(member.Type(), unsafe.Pointer(member.UnsafeAddr())).Interface()
}
