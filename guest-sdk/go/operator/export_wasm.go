package operator

import (
	"millstream.dev/millstream"
	"millstream.dev/millstream/internal/abi"
)

var exported = abi.Exported[millstream.Program]{What: "operator", Function: "operator.Export"}

func export(of *millstream.Program) *millstream.Program {
	exported.Set(of)
	return of
}

//go:wasmexport millstream:operator/processor@0.1.0#describe
func exportDescribe() uint32 {
	describedNames, describedState, describedField = nil, nil, nil
	return describe(exported.Get().Describe())
}

//go:wasmexport millstream:operator/processor@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:operator/processor@0.1.0#process
func exportProcess(input uint32) uint32 {
	batch := abi.At[rawInput](input).read()
	return answer(exported.Get().Process(&batch))
}

//go:wasmexport millstream:operator/processor@0.1.0#on-timer
func exportOnTimer(input uint32) uint32 {
	fired := abi.At[rawFired](input).read()
	return answer(exported.Get().OnTimer(&fired))
}

//go:wasmexport cabi_post_millstream:operator/processor@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:operator/processor@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:operator/processor@0.1.0#process
//go:nosplit
func postProcess(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:operator/processor@0.1.0#on-timer
//go:nosplit
func postOnTimer(uint32) { abi.Release() }
