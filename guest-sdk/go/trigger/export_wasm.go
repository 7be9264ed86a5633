package trigger

import (
	"millstream.dev/millstream"
	"millstream.dev/millstream/internal/abi"
	"millstream.dev/millstream/window"
)

var exported = abi.Exported[Program]{What: "trigger", Function: "trigger.Export"}

func export(of *Program) { exported.Set(of) }

type rawWindows struct{ starts, ends abi.List }

func (r *rawWindows) read() window.Column {
	return window.Column{Starts: abi.In[byte](r.starts), Ends: abi.In[byte](r.ends)}
}

type rawPanes struct {
	keys                        abi.Column
	windows                     rawWindows
	states                      abi.Column
	eventTimes, processingTimes abi.List
	now, watermark              int64
}

func (r *rawPanes) read() Panes {
	return Panes{
		Keys: abi.InColumn(&r.keys), Windows: r.windows.read(), States: abi.InColumn(&r.states),
		EventTimes: abi.In[byte](r.eventTimes), ProcessingTimes: abi.In[byte](r.processingTimes),
		NowMs: r.now, WatermarkMs: r.watermark,
	}
}

// rawVerdicts is a result<verdicts, string>.
type rawVerdicts struct {
	failed                      uint32
	verdicts                    abi.List
	states                      abi.Column
	eventTimes, processingTimes abi.List
	failures                    abi.Failures
}

// What is answered; kept until the next call.
var (
	described   Description
	description struct {
		schemaVersion uint32
		configSchema  abi.Optional
	}
	verdicts rawVerdicts
	kept     Verdicts
	reason   string
)

//go:wasmexport millstream:window/firing@0.1.0#describe
func exportDescribe() uint32 {
	described = exported.Get().Describe()
	description.schemaVersion, description.configSchema = described.SchemaVersion, abi.OutOptional(described.ConfigSchema)
	return abi.Address(&description)
}

//go:wasmexport millstream:window/firing@0.1.0#configure
func exportConfigure(config, length uint32) uint32 {
	return abi.OutDone(exported.Get().Configure(abi.InText(abi.List{Ptr: config, Len: length})))
}

//go:wasmexport millstream:window/firing@0.1.0#on-elements
func exportOnElements(arguments uint32) uint32 {
	raw := abi.At[struct {
		panes    rawPanes
		batch    abi.Batch
		rows     abi.List
		paneRows abi.List
		windows  rawWindows
	}](arguments)
	panes := raw.panes.read()
	elements := Elements{
		Batch: abi.InBatch(&raw.batch), Rows: abi.In[byte](raw.rows), Panes: abi.In[byte](raw.paneRows),
		Windows: raw.windows.read(),
	}
	return answer(exported.Get().OnElements(&panes, &elements))
}

//go:wasmexport millstream:window/firing@0.1.0#on-time
func exportOnTime(arguments uint32) uint32 {
	raw := abi.At[struct {
		panes  rawPanes
		domain uint8
		times  abi.List
	}](arguments)
	panes := raw.panes.read()
	return answer(exported.Get().OnTime(&panes, millstream.TimeDomain(raw.domain), abi.In[byte](raw.times)))
}

//go:wasmexport millstream:window/firing@0.1.0#on-merge
func exportOnMerge(arguments uint32) uint32 {
	raw := abi.At[struct {
		panes  rawPanes
		groups abi.List
		merged rawWindows
	}](arguments)
	panes := raw.panes.read()
	return answer(exported.Get().OnMerge(&panes, abi.In[byte](raw.groups), raw.merged.read()))
}

func answer(of Verdicts, err error) uint32 {
	if err != nil {
		reason = err.Error()
		verdicts = rawVerdicts{failed: 1, verdicts: abi.OutText(reason)}
		return abi.Address(&verdicts)
	}
	kept = of
	verdicts = rawVerdicts{
		verdicts: abi.Out(kept.Verdicts), states: abi.OutColumn(&kept.States), eventTimes: abi.Out(kept.EventTimes),
		processingTimes: abi.Out(kept.ProcessingTimes), failures: abi.OutFailures(&kept.Failures),
	}
	return abi.Address(&verdicts)
}

//go:wasmexport cabi_post_millstream:window/firing@0.1.0#describe
//go:nosplit
func postDescribe(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/firing@0.1.0#configure
//go:nosplit
func postConfigure(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/firing@0.1.0#on-elements
//go:nosplit
func postOnElements(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/firing@0.1.0#on-time
//go:nosplit
func postOnTime(uint32) { abi.Release() }

//go:wasmexport cabi_post_millstream:window/firing@0.1.0#on-merge
//go:nosplit
func postOnMerge(uint32) { abi.Release() }
