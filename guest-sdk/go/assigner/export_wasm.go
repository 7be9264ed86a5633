package assigner

import "millstream.dev/millstream/internal/abi"

var exported = abi.Exported[Program]{What: "assigner", Function: "assigner.Export"}

func export(of *Program) { exported.Set(of) }

// rawAssigned is a result<assigned, string>.
type rawAssigned struct {
	failed       uint32
	rows         abi.List
	starts, ends abi.List
	failures     abi.Failures
}

// What is answered; kept until the next call.
var (
	described   Description
	description struct {
		merges       bool
		configSchema abi.Optional
	}
	assigned rawAssigned
	kept     Assigned
	reason   string
)

//go:wasmexport millstream:window/assignment@0.1.0#describe
func exportDescribe() uint32 {
	described = exported.Get().Describe()
	description.merges, description.configSchema = described.Merges, abi.OutOptional(described.ConfigSchema)
	return abi.Address(&description)
}

//go:wasmexport millstream:window/assignment@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/assignment@0.1.0#assign
func exportAssign(arguments uint32) uint32 {
	raw := abi.At[struct {
		batch abi.Batch
		now   int64
	}](arguments)
	batch := abi.InBatch(&raw.batch)
	answer, err := exported.Get().Assign(&batch, raw.now)
	if err != nil {
		reason = err.Error()
		assigned = rawAssigned{failed: 1, rows: abi.OutText(reason)}
		return abi.Address(&assigned)
	}
	kept = answer
	assigned = rawAssigned{
		rows: abi.Out(kept.Rows), starts: abi.Out(kept.Windows.Starts), ends: abi.Out(kept.Windows.Ends),
		failures: abi.OutFailures(&kept.Failures),
	}
	return abi.Address(&assigned)
}

//go:wasmexport cabi_post_millstream:window/assignment@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/assignment@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/assignment@0.1.0#assign
//go:nosplit
func postAssign(uint32) { abi.Release() }
