// Score tells how likely it is that a payment is fraud: how much, how often, and whether the card has moved.
package main

import (
	"errors"
	"math"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Config is what a step's config says.
type Config struct {
	// Threshold is the score from which a payment is flagged, between 0 and 1.
	Threshold float64 `json:"threshold"`
}

// Payment is what is read of a payment with its features.
type Payment struct {
	// ID is a number or a text, and stays what it is.
	ID             []byte  `field:"/payment_id"`
	User           string  `field:"/user_id"`
	Amount         float64 `field:"/amount"`
	Count5m        int64   `field:"/features/count_5m"`
	Spend1h        float64 `field:"/features/spend_1h"`
	CountryChanged bool    `field:"/features/country_changed"`
}

// Scored is what goes out.
type Scored struct {
	ID      []byte  `field:"/payment_id"`
	User    string  `field:"/user_id"`
	Score   float64 `field:"/score"`
	Flagged bool    `field:"/flagged"`
}

// Score is the operator.
type Score struct{ threshold float64 }

// NewScore makes the operator. An error refuses the pipeline.
func NewScore(config Config) (*Score, error) {
	if config.Threshold <= 0 || config.Threshold > 1 {
		return nil, errors.New("`threshold` must be over 0 and at most 1")
	}
	return &Score{threshold: config.Threshold}, nil
}

// Process scores a payment.
func (s *Score) Process(ctx *millstream.TypedContext[Scored], payment *Payment) error {
	score := payment.score()
	return ctx.Emit(Scored{ID: payment.ID, User: payment.User, Score: score, Flagged: score >= s.threshold})
}

// score is a probability, to four places.
func (p *Payment) score() float64 {
	evidence := -7 + 0.9*math.Log1p(max(p.Amount, 0)) + 0.35*math.Log1p(float64(p.Count5m)) + 0.15*math.Log1p(max(p.Spend1h, 0))
	if p.CountryChanged {
		evidence += 1.5
	}
	return math.Round(1e4/(1+math.Exp(-evidence))) / 1e4
}

// Program is the operator as the component exports it.
var Program = operator.ExportTyped(NewScore)

func main() {}
