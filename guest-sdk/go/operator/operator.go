// Package operator exports operators from a component: the world millstream:operator/operator. A component exports one.
//
//	var Program = operator.Export(NewVisits, operator.Outputs("main", "goal"))
//
//	func main() {}
//
// Natively nothing is exported, and the program can be tested: see package millstreamtest.
package operator

import "millstream.dev/millstream"

// Outputs, ConfigSchema and RawValues are the options of an operator.
var (
	Outputs      = millstream.Outputs
	ConfigSchema = millstream.ConfigSchema
	RawValues    = millstream.RawValues
)

// Export exports an operator that sees one record after the other. create makes it from a step's config, which is read
// into C strictly by encoding/json; it is called before any record is seen, and its error refuses the pipeline or the
// swap. With a method OnTimer the operator may set timers.
func Export[C any, O millstream.Processor](
	create func(config C) (O, error), options ...millstream.Option,
) *millstream.Program {
	return export(millstream.NewProgram(create, options...))
}

// ExportTyped exports an operator that reads and writes typed fields.
func ExportTyped[C, R, W any, O millstream.TypedProcessor[R, W]](
	create func(config C) (O, error), options ...millstream.Option,
) *millstream.Program {
	return export(millstream.NewTypedProgram[C, R, W, O](create, options...))
}

// ExportBatch exports an operator that sees whole batches.
func ExportBatch[C any, O millstream.BatchProcessor](
	create func(config C) (O, error), options ...millstream.Option,
) *millstream.Program {
	return export(millstream.NewBatchProgram(create, options...))
}

// ExportColumns exports an operator that reads and writes typed fields as whole columns.
func ExportColumns[C, R, W any, O millstream.ColumnsProcessor[R, W]](
	create func(config C) (O, error), options ...millstream.Option,
) *millstream.Program {
	return export(millstream.NewColumnsProgram[C, R, W, O](create, options...))
}
