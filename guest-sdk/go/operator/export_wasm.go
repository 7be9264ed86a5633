package operator

import (
	"millstream.dev/millstream"
	"millstream.dev/millstream/internal/abi"
)

// program is what the component exports.
var program *millstream.Program

func export(of *millstream.Program) *millstream.Program {
	if program != nil {
		panic("millstream: a component exports one operator, and this one is exported after another")
	}
	program = of
	return of
}

func exported() *millstream.Program {
	if program == nil {
		panic("millstream: no operator is exported: call operator.Export where package variables are made")
	}
	return program
}

//go:wasmexport millstream:operator/processor@0.1.0#describe
func exportDescribe() uint32 {
	describedNames, describedState, describedField = nil, nil, nil
	return describe(exported().Describe())
}

//go:wasmexport millstream:operator/processor@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:operator/processor@0.1.0#process
func exportProcess(input uint32) uint32 {
	batch := abi.At[rawInput](input).read()
	return answer(exported().Process(&batch))
}

//go:wasmexport millstream:operator/processor@0.1.0#on-timer
func exportOnTimer(input uint32) uint32 {
	fired := abi.At[rawFired](input).read()
	return answer(exported().OnTimer(&fired))
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
