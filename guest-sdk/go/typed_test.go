package millstream_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/millstreamtest"
	"millstream.dev/millstream/operator"
)

type read struct {
	User  string                       `field:"/user/id"`
	N     int                          `field:"/n"`
	F     millstream.Optional[float64] `field:"/f"`
	Flag  millstream.Optional[bool]    `field:"/flag"`
	Name  millstream.Optional[string]  `field:"/name"`
	Extra millstream.Optional[[]byte]  `field:"/extra"`
	Own   int
}

type written struct {
	User  string                       `field:"/user"`
	N     int64                        `field:"/inner/n"`
	F     millstream.Optional[float64] `field:"/inner/f"`
	Flag  bool                         `field:"/flag"`
	Name  millstream.Optional[string]  `field:"/name"`
	Extra []byte                       `field:"/extra"`
}

type typedOperator struct{ kept []string }

func (o *typedOperator) Process(ctx *millstream.TypedContext[written], in *read) error {
	o.kept = append(o.kept, in.User)
	out := written{
		User: in.User, N: int64(in.N) + 1, F: in.F, Flag: in.Flag.Or(true), Name: in.Name, Extra: []byte("null"),
	}
	if in.Extra.Valid {
		out.Extra = in.Extra.Value
	}
	switch in.Name.Value {
	case "no text":
		out.User = "\xff"
	case "no extra":
		out.Extra = nil
	case "twice":
		if err := ctx.Emit(out); err != nil {
			return err
		}
		return ctx.EmitAs(millstream.Typed().To("other").KeyText("k"), out)
	case "fails late":
		if err := ctx.Emit(out); err != nil {
			return err
		}
		return fail
	case "no number":
		out.F = millstream.Some(math.Inf(-1))
	case "not typed":
		return ctx.Context.Emit(millstream.Text("v"))
	}
	return ctx.Emit(out)
}

func TestTypedFieldsAreReadAndWritten(t *testing.T) {
	program := operator.ExportTyped(
		func(millstream.NoConfig) (*typedOperator, error) { return &typedOperator{}, nil }, operator.Outputs("main", "other"),
	)
	want := []contract.FieldDeclaration{
		{Path: "/user/id", Kind: contract.UTF8}, {Path: "/n", Kind: contract.Int64},
		{Path: "/f", Kind: contract.Float64, Optional: true}, {Path: "/flag", Kind: contract.Boolean, Optional: true},
		{Path: "/name", Kind: contract.UTF8, Optional: true}, {Path: "/extra", Kind: contract.Bytes, Optional: true},
	}
	if got := program.Describe(); !slices.Equal(got.Reads, want) || got.RawValues || got.Timers {
		t.Errorf("%+v", got)
	}
	h := millstreamtest.New(t, program, "")
	var in []millstreamtest.Record
	for at, more := range []string{
		``, `,"f":1,"flag":false,"extra":{"a": [1]}`, `,"name":"ü\n"`, `,"name":"twice"`, `,"name":"no text"`,
		`,"name":"no extra"`, `,"name":"fails late"`, `,"name":"not typed"`, `,"f":null,"flag":true,"name":null,"extra":"t"`,
		`,"name":"no number"`,
	} {
		in = append(in, text("key", fmt.Sprintf(`{"user":{"id":"u%d"},"n":%d%s}`, at, at, more)).At(int64(at)))
	}
	in = append(in, text("key", `{"n":1}`))
	out := h.Send(in...)
	got := []string{}
	for _, record := range out.Emitted {
		got = append(got, fmt.Sprintf("%s %d %s %d %s", record.Output, record.Source, record.Key, record.TimestampMs, record.Value))
	}
	wantRows := []string{
		`main 0 key 0 {"user":"u0","inner":{"n":1},"flag":true,"extra":null}`,
		`main 1 key 1 {"user":"u1","inner":{"n":2,"f":1.0},"flag":false,"extra":{"a": [1]}}`,
		`main 2 key 2 {"user":"u2","inner":{"n":3},"flag":true,"name":"ü\n","extra":null}`,
		`main 3 key 3 {"user":"u3","inner":{"n":4},"flag":true,"name":"twice","extra":null}`,
		`main 8 key 8 {"user":"u8","inner":{"n":9},"flag":true,"extra":"t"}`,
		`other 3 k 3 {"user":"u3","inner":{"n":4},"flag":true,"name":"twice","extra":null}`,
	}
	if !slices.Equal(got, wantRows) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	reasons := []string{}
	for _, failure := range out.Failed {
		reasons = append(reasons, fmt.Sprint(failure.Record, " ", failure.Reason))
	}
	wantReasons := []string{
		"4 /user is not UTF-8", "5 /extra is nil, and not declared Optional", "6 refused",
		"7 records with and without typed fields cannot go to one output in one batch", "9 /inner/f: -Inf has no form in JSON", "10 /user/id: the field is missing",
	}
	if !slices.Equal(reasons, wantReasons) {
		t.Errorf("%q", reasons)
	}
}

func TestNullsOfFailingResultsLeaveNoTrace(t *testing.T) {
	program := operator.ExportTyped(func(millstream.NoConfig) (*typedOperator, error) { return &typedOperator{}, nil })
	h := millstreamtest.New(t, program, "")
	good, bad := text("k", `{"user":{"id":"u"},"n":1}`), text("k", `{"user":{"id":"u"},"n":1,"name":"fails late"}`)
	records := slices.Concat(slices.Repeat([]millstreamtest.Record{good}, 8), slices.Repeat([]millstreamtest.Record{bad}, 9))
	if out := h.Send(records...); len(out.Emitted) != 8 || len(out.Failed) != 9 {
		t.Errorf("%d and %d", len(out.Emitted), len(out.Failed))
	}
}

func TestWhatIsNoTypedFieldIsRefusedAtOnce(t *testing.T) {
	for want, of := range map[string]func(){
		"a typed field is an int64, float64, bool": func() {
			operator.ExportTyped(func(millstream.NoConfig) (*wrongType, error) { return nil, nil })
		},
		"is no path such as /user/id": func() {
			operator.ExportTyped(func(millstream.NoConfig) (*wrongPath, error) { return nil, nil })
		},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, want) {
					t.Errorf("%s", said)
				}
			}()
			of()
		}()
	}
}

type wrongType struct{}

func (*wrongType) Process(*millstream.TypedContext[struct{}], *struct {
	At int32 `field:"/at"`
}) error {
	return nil
}

type wrongPath struct{}

func (*wrongPath) Process(*millstream.TypedContext[struct{}], *struct {
	At int64 `field:"at"`
}) error {
	return nil
}

type columnsRead struct {
	N    millstream.Int64s `field:"/n"`
	Flag millstream.Bools  `field:"/flag,optional"`
}

type columnsWritten struct {
	N    millstream.Int64Writer `field:"/n"`
	Flag millstream.BoolWriter  `field:"/flag,optional"`
}

type columnsOperator struct {
	sum millstream.Value[int64] `state:"sum"`
}

func (o *columnsOperator) ProcessColumns(b *millstream.Batch, in *columnsRead, out *columnsWritten) error {
	for row := range b.Len() {
		group, err := b.Group(row)
		if err != nil {
			b.Fail(row, err)
			continue
		}
		sum, _, err := o.sum.At(group)
		if err != nil {
			return err
		}
		sum += in.N.Values[row]
		if sum < 0 {
			b.Fail(row, fmt.Errorf("the sum is %d", sum))
			continue
		}
		if err := o.sum.SetAt(group, sum); err != nil {
			return err
		}
		b.Emit(row)
		if sum == 99 {
			out.N.AppendNull()
		} else {
			out.N.Append(sum)
		}
		if in.Flag.IsNull(row) {
			out.Flag.AppendNull()
		} else {
			out.Flag.Append(!in.Flag.At(row))
		}
	}
	return nil
}

func TestWholeColumns(t *testing.T) {
	program := operator.ExportColumns(func(millstream.NoConfig) (*columnsOperator, error) { return &columnsOperator{}, nil })
	h := millstreamtest.New(t, program, "")
	var in []millstreamtest.Record
	var want []string
	for n := range 20 {
		in = append(in, text("a", fmt.Sprintf(`{"n":1,"flag":%v}`, []string{"true", "null", "false"}[n%3])))
		want = append(want, fmt.Sprintf([]string{`{"n":%d,"flag":false}`, `{"n":%d}`, `{"n":%d,"flag":true}`}[n%3], n+1))
	}
	in = append(in, millstreamtest.Record{Value: []byte(`{"n":1}`)}, text("b", `{"n":-3}`), text("b", `{"n":3}`))
	out := h.Send(in...)
	if got := out.Texts(); !slices.Equal(got, append(want, `{"n":3}`)) {
		t.Errorf("%q", got)
	}
	if len(out.Failed) != 2 || out.Failed[1].Reason != "the sum is -3" || out.Emitted[20].Source != 22 {
		t.Errorf("%+v", out.Failed)
	}
	if _, err := h.TrySend(text("c", `{"n":99}`)); err == nil || err.Error() != "/n has a null, and is not declared optional" {
		t.Errorf("%v", err)
	}
}

type batchOperator struct{}

func (batchOperator) ProcessBatch(b *millstream.Batch) error {
	for row := range b.Len() {
		if len(b.Record(row).Value()) == 0 {
			b.Fail(row, fail)
		} else if err := b.At(row).Emit(millstream.Same()); err != nil {
			return err
		}
	}
	return nil
}

func TestWholeBatches(t *testing.T) {
	h := millstreamtest.New(t, operator.ExportBatch(func(millstream.NoConfig) (batchOperator, error) {
		return batchOperator{}, nil
	}), "")
	out := h.Send(text("a", "1"), text("a", ""), text("b", "2"))
	if got := out.Texts(); !slices.Equal(got, []string{"1", "2"}) || len(out.Failed) != 1 || out.Emitted[1].Source != 2 {
		t.Errorf("%+v", out)
	}
}
