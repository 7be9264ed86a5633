package watermark

import "millstream.dev/millstream/internal/abi"

var exported = abi.Exported[Program]{What: "watermark generator", Function: "watermark.Export"}

func export(of *Program) { exported.Set(of) }

// rawProgress is a result<progress, string>; a reason stands where the state does.
type rawProgress struct {
	failed    uint64
	state     abi.List
	known     uint64
	watermark int64
	idle      bool
}

// What is answered; kept until the next call.
var (
	described   Description
	description struct {
		hasEvery     uint64
		everyMs      uint64
		configSchema abi.Optional
		_            uint32
	}
	progress rawProgress
	kept     Progress
	reason   string
)

//go:wasmexport millstream:window/watermarks@0.1.0#describe
func exportDescribe() uint32 {
	described = exported.Get().Describe()
	description.hasEvery, description.everyMs = 0, described.EveryMs
	if described.EveryMs > 0 {
		description.hasEvery = 1
	}
	description.configSchema = abi.OutOptional(described.ConfigSchema)
	return abi.Address(&description)
}

//go:wasmexport millstream:window/watermarks@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/watermarks@0.1.0#on-records
func exportOnRecords(arguments uint32) uint32 {
	raw := abi.At[struct {
		state abi.List
		batch abi.Batch
		now   int64
	}](arguments)
	batch := abi.InBatch(&raw.batch)
	return answer(exported.Get().OnRecords(abi.In[byte](raw.state), &batch, raw.now))
}

//go:wasmexport millstream:window/watermarks@0.1.0#on-time
func exportOnTime(state, length uint32, now int64) uint32 {
	return answer(exported.Get().OnTime(abi.In[byte](abi.List{Ptr: state, Len: length}), now))
}

func answer(of Progress, err error) uint32 {
	if err != nil {
		reason = err.Error()
		progress = rawProgress{failed: 1, state: abi.OutText(reason)}
		return abi.Address(&progress)
	}
	kept = of
	progress = rawProgress{state: abi.Out(kept.State), watermark: kept.WatermarkMs, idle: kept.Idle}
	if kept.Known {
		progress.known = 1
	}
	return abi.Address(&progress)
}

//go:wasmexport cabi_post_millstream:window/watermarks@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/watermarks@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/watermarks@0.1.0#on-records
//go:nosplit
func postOnRecords(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/watermarks@0.1.0#on-time
//go:nosplit
func postOnTime(uint32) { abi.Release() }
