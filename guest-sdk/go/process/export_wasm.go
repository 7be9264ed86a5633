package process

import (
	"bytes"
	"math"

	"millstream.dev/millstream/internal/abi"
	"millstream.dev/millstream/window"
)

// program is what the component exports.
var program *Program

func export(of *Program) {
	if program != nil {
		panic("millstream: a component exports one window function, and this one is exported after another")
	}
	program = of
}

func exported() *Program {
	if program == nil {
		panic("millstream: no window function is exported: call process.Export where package variables are made")
	}
	return program
}

// What is described; kept until the next call.
var (
	schema      string
	description abi.Optional
)

//go:wasmexport millstream:window/window-function@0.1.0#describe
func exportDescribe() uint32 {
	schema = exported().ConfigSchema()
	description = abi.OutOptional(schema)
	return abi.Address(&description)
}

//go:wasmexport millstream:window/window-function@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/window-function@0.1.0#begin
func exportBegin(key, length uint32, start, end int64, elements uint64, now, watermark int64) uint32 {
	return abi.OutDone(exported().Begin(Pane{
		// The key outlives the call that it comes with.
		Key:    bytes.Clone(abi.In[byte](abi.List{Ptr: key, Len: length})),
		Window: window.Window{StartMs: start, EndMs: end}, Elements: elements, NowMs: now, WatermarkMs: watermark,
		WatermarkKnown: watermark != math.MinInt64,
	}))
}

//go:wasmexport millstream:window/window-function@0.1.0#elements
func exportElements(page uint32) uint32 {
	batch := abi.InBatch(abi.At[abi.Batch](page))
	return abi.OutColumnOr(exported().Elements(&batch))
}

//go:wasmexport millstream:window/window-function@0.1.0#end
func exportEnd() uint32 { return abi.OutColumnOr(exported().End()) }

//go:wasmexport cabi_post_millstream:window/window-function@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/window-function@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/window-function@0.1.0#begin
//go:nosplit
func postBegin(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/window-function@0.1.0#elements
//go:nosplit
func postElements(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/window-function@0.1.0#end
//go:nosplit
func postEnd(uint32) { abi.Release() }
