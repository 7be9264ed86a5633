// The sum by user of JSON values, parsed and written by encoding/json.
package main

import (
	"encoding/json"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

type payment struct {
	User   string  `json:"user"`
	Amount float64 `json:"amount"`
}

type total struct {
	User string  `json:"user"`
	Sum  float64 `json:"sum"`
}

// Sums adds up amounts.
type Sums struct {
	sum millstream.Value[float64] `state:"sum"`
}

// Process adds a payment.
func (s *Sums) Process(ctx *millstream.Context, record millstream.Record) error {
	text, err := record.Text()
	if err != nil {
		return err
	}
	var read payment
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return err
	}
	sum, err := s.sum.Or(0)
	if err != nil {
		return err
	}
	sum += read.Amount
	if err := s.sum.Set(sum); err != nil {
		return err
	}
	written, err := json.Marshal(total{User: read.User, Sum: sum})
	if err != nil {
		return err
	}
	return ctx.Emit(millstream.Bytes(written))
}

// Program is the operator as the component exports it.
var Program = operator.Export(func(millstream.NoConfig) (*Sums, error) { return &Sums{}, nil })

func main() {}
