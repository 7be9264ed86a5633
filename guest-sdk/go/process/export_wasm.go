package process

import (
	"bytes"
	"math"

	"millstream.dev/millstream/internal/abi"
	"millstream.dev/millstream/window"
)

var exported = abi.Exported[Program]{What: "window function", Function: "process.Export"}

func export(of *Program) { exported.Set(of) }

// What is described; kept until the next call.
var (
	schema      string
	description abi.Optional
)

//go:wasmexport millstream:window/window-function@0.1.0#describe
func exportDescribe() uint32 {
	schema = exported.Get().ConfigSchema()
	description = abi.OutOptional(schema)
	return abi.Address(&description)
}

//go:wasmexport millstream:window/window-function@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/window-function@0.1.0#begin
func exportBegin(key, length uint32, start, end int64, elements uint64, now, watermark int64) uint32 {
	return abi.OutDone(exported.Get().Begin(Pane{
		// The key outlives the call that it comes with.
		Key:    bytes.Clone(abi.In[byte](abi.List{Ptr: key, Len: length})),
		Window: window.Window{StartMs: start, EndMs: end}, Elements: elements, NowMs: now, WatermarkMs: watermark,
		WatermarkKnown: watermark != math.MinInt64,
	}))
}

//go:wasmexport millstream:window/window-function@0.1.0#elements
func exportElements(page uint32) uint32 {
	batch := abi.InBatch(abi.At[abi.Batch](page))
	return abi.OutColumnOr(exported.Get().Elements(&batch))
}

//go:wasmexport millstream:window/window-function@0.1.0#end
func exportEnd() uint32 { return abi.OutColumnOr(exported.Get().End()) }

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
