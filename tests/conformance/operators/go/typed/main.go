// Typed is the operator with typed fields of tests/conformance/README.md, by single records.
package main

import (
	"strconv"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Payment is what is read.
type Payment struct {
	User   string                      `field:"/user"`
	Amount float64                     `field:"/amount"`
	N      millstream.Optional[int64]  `field:"/n"`
	Flag   millstream.Optional[bool]   `field:"/flag"`
	Extra  millstream.Optional[[]byte] `field:"/extra"`
}

// Total is what is written.
type Total struct {
	User     string                      `field:"/user"`
	Total    float64                     `field:"/total"`
	NextN    millstream.Optional[int64]  `field:"/next/n"`
	NextFlag millstream.Optional[bool]   `field:"/next/flag"`
	Label    millstream.Optional[string] `field:"/label"`
	Extra    millstream.Optional[[]byte] `field:"/extra"`
}

// Totals adds up amounts.
type Totals struct {
	total millstream.Value[float64] `state:"total"`
}

// Process adds a payment and tells the total.
func (t *Totals) Process(ctx *millstream.TypedContext[Total], payment *Payment) error {
	total, err := t.total.Or(0)
	if err != nil {
		return err
	}
	total += payment.Amount
	if err := t.total.Set(total); err != nil {
		return err
	}
	result := Total{User: payment.User, Total: total, Extra: payment.Extra}
	if payment.N.Valid {
		result.NextN = millstream.Some(payment.N.Value + 1)
		result.Label = millstream.Some("n=" + strconv.FormatInt(payment.N.Value, 10))
	}
	if payment.Flag.Valid {
		result.NextFlag = millstream.Some(!payment.Flag.Value)
	}
	return ctx.Emit(result)
}

// Program is the operator as the component exports it.
var Program = operator.ExportTyped(
	func(millstream.NoConfig) (*Totals, error) { return &Totals{}, nil },
)

func main() {}
