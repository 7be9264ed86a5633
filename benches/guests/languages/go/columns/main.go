// The sum by user over whole columns.
package main

import (
	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Payments are what is read.
type Payments struct {
	User   millstream.Texts    `field:"/user"`
	Amount millstream.Float64s `field:"/amount"`
}

// Totals are what is written.
type Totals struct {
	User millstream.TextWriter    `field:"/user"`
	Sum  millstream.Float64Writer `field:"/sum"`
}

// Sums adds up amounts.
type Sums struct {
	sum millstream.Value[float64] `state:"sum"`
}

// ProcessColumns adds payments.
func (s *Sums) ProcessColumns(batch *millstream.Batch, in *Payments, out *Totals) error {
	for row, amount := range in.Amount.Values {
		group, err := batch.Group(row)
		if err != nil {
			batch.Fail(row, err)
			continue
		}
		sum, _, err := s.sum.At(group)
		if err != nil {
			return err
		}
		sum += amount
		if err := s.sum.SetAt(group, sum); err != nil {
			return err
		}
		batch.Emit(row)
		out.User.Append(in.User.At(row))
		out.Sum.Append(sum)
	}
	return nil
}

// Program is the operator as the component exports it.
var Program = operator.ExportColumns(func(millstream.NoConfig) (*Sums, error) { return &Sums{}, nil })

func main() {}
