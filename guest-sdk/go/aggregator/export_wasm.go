package aggregator

import (
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/abi"
	"millstream.dev/millstream/window"
)

var exported = abi.Exported[Program]{What: "aggregator", Function: "aggregator.Export"}

func export(of *Program) { exported.Set(of) }

type rawDescription struct {
	schemaVersion uint32
	retracts      bool
	configSchema  abi.Optional
}

// rawAdd is the arguments of add and retract.
type rawAdd struct {
	batch         abi.Batch
	rows, targets abi.List
	accumulators  abi.Column
}

// rawAdded is a result<added, string>.
type rawAdded struct {
	failed       uint32
	accumulators abi.Column
	failures     abi.Failures
}

// What is answered; kept until the next call.
var (
	described   Description
	description rawDescription
	added       rawAdded
	keptAdded   Added
	reason      string
)

//go:wasmexport millstream:window/aggregation@0.1.0#describe
func exportDescribe() uint32 {
	described = exported.Get().Describe()
	description = rawDescription{described.SchemaVersion, described.Retracts, abi.OutOptional(described.ConfigSchema)}
	return abi.Address(&description)
}

//go:wasmexport millstream:window/aggregation@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/aggregation@0.1.0#add
func exportAdd(arguments uint32) uint32 { return change(arguments, exported.Get().Add) }

//go:wasmexport millstream:window/aggregation@0.1.0#retract
func exportRetract(arguments uint32) uint32 { return change(arguments, exported.Get().Retract) }

func change(arguments uint32, call func(*Additions, *contract.BytesColumn) (Added, error)) uint32 {
	raw := abi.At[rawAdd](arguments)
	additions := Additions{Batch: abi.InBatch(&raw.batch), Rows: abi.In[byte](raw.rows), Targets: abi.In[byte](raw.targets)}
	accumulators := abi.InColumn(&raw.accumulators)
	answer, err := call(&additions, &accumulators)
	if err != nil {
		reason = err.Error()
		added = rawAdded{failed: 1}
		added.accumulators.Offsets = abi.OutText(reason)
		return abi.Address(&added)
	}
	keptAdded = answer
	added = rawAdded{accumulators: abi.OutColumn(&answer.Accumulators), failures: abi.OutFailures(&answer.Failures)}
	return abi.Address(&added)
}

//go:wasmexport millstream:window/aggregation@0.1.0#merge
func exportMerge(o, ol, d, dl, v, vl, groups, groupsLength, count uint32) uint32 {
	accumulators := abi.InFlat(o, ol, d, dl, v, vl)
	merged, err := exported.Get().Merge(&accumulators, abi.In[byte](abi.List{Ptr: groups, Len: groupsLength}), int(count))
	return abi.OutColumnOr(merged, err)
}

//go:wasmexport millstream:window/aggregation@0.1.0#results
func exportResults(o, ol, d, dl, v, vl, ko, kol, kd, kdl, kv, kvl, starts, startsLength, ends, endsLength uint32) uint32 {
	accumulators, keys := abi.InFlat(o, ol, d, dl, v, vl), abi.InFlat(ko, kol, kd, kdl, kv, kvl)
	windows := window.Column{
		Starts: abi.In[byte](abi.List{Ptr: starts, Len: startsLength}),
		Ends:   abi.In[byte](abi.List{Ptr: ends, Len: endsLength}),
	}
	values, err := exported.Get().Results(&accumulators, window.Panes(&keys, windows))
	return abi.OutColumnOr(values, err)
}

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#add
//go:nosplit
func postAdd(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#retract
//go:nosplit
func postRetract(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#merge
//go:nosplit
func postMerge(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/aggregation@0.1.0#results
//go:nosplit
func postResults(uint32) { abi.Release() }
