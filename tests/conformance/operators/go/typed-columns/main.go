// Typed-columns is the operator with typed fields of tests/conformance/README.md, by whole columns.
package main

import (
	"fmt"
	"math"
	"strconv"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Payments are what is read.
type Payments struct {
	User   millstream.Texts    `field:"/user"`
	Amount millstream.Float64s `field:"/amount"`
	N      millstream.Int64s   `field:"/n,optional"`
	Flag   millstream.Bools    `field:"/flag,optional"`
	Extra  millstream.JSONs    `field:"/extra,optional"`
}

// Results are what is written.
type Results struct {
	User     millstream.TextWriter    `field:"/user"`
	Total    millstream.Float64Writer `field:"/total"`
	NextN    millstream.Int64Writer   `field:"/next/n,optional"`
	NextFlag millstream.BoolWriter    `field:"/next/flag,optional"`
	Label    millstream.TextWriter    `field:"/label,optional"`
	Extra    millstream.JSONWriters   `field:"/extra,optional"`
}

// Totals adds up amounts.
type Totals struct {
	total millstream.Value[float64] `state:"total"`
}

// ProcessColumns adds payments and tells the totals.
func (t *Totals) ProcessColumns(batch *millstream.Batch, in *Payments, out *Results) error {
	label := make([]byte, 0, 24)
	for row := range batch.Len() {
		group, err := batch.Group(row)
		if err != nil {
			batch.Fail(row, err)
			continue
		}
		total, _, err := t.total.At(group)
		if err != nil {
			return err
		}
		total += in.Amount.Values[row]
		if math.IsInf(total, 0) || math.IsNaN(total) {
			batch.Fail(row, fmt.Errorf("/total: %v has no form in JSON", total))
			continue
		}
		if err := t.total.SetAt(group, total); err != nil {
			return err
		}
		batch.Emit(row)
		out.User.Append(in.User.At(row))
		out.Total.Append(total)
		if in.N.IsNull(row) {
			out.NextN.AppendNull()
			out.Label.AppendNull()
		} else {
			out.NextN.Append(in.N.Values[row] + 1)
			label = strconv.AppendInt(append(label[:0], "n="...), in.N.Values[row], 10)
			out.Label.AppendBytes(label)
		}
		if in.Flag.IsNull(row) {
			out.NextFlag.AppendNull()
		} else {
			out.NextFlag.Append(!in.Flag.At(row))
		}
		if in.Extra.IsNull(row) {
			out.Extra.AppendNull()
		} else {
			out.Extra.Append(in.Extra.At(row))
		}
	}
	return nil
}

// Program is the operator as the component exports it.
var Program = operator.ExportColumns(
	func(millstream.NoConfig) (*Totals, error) { return &Totals{}, nil },
)

func main() {}
