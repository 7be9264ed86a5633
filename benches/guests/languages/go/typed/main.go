// The sum by user over typed fields, record by record.
package main

import (
	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Payment is what is read.
type Payment struct {
	User   string  `field:"/user"`
	Amount float64 `field:"/amount"`
}

// Total is what is written.
type Total struct {
	User string  `field:"/user"`
	Sum  float64 `field:"/sum"`
}

// Sums adds up amounts.
type Sums struct {
	sum millstream.Value[float64] `state:"sum"`
}

// Process adds a payment.
func (s *Sums) Process(ctx *millstream.TypedContext[Total], payment *Payment) error {
	sum, err := s.sum.Or(0)
	if err != nil {
		return err
	}
	sum += payment.Amount
	if err := s.sum.Set(sum); err != nil {
		return err
	}
	return ctx.Emit(Total{User: payment.User, Sum: sum})
}

// Program is the operator as the component exports it.
var Program = operator.ExportTyped(func(millstream.NoConfig) (*Sums, error) { return &Sums{}, nil })

func main() {}
