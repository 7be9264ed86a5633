// Velocity adds to each payment how often and how much its user has paid lately.
//
// Payments are counted in slices of a minute of their own time, so that what comes out of order is counted where it
// belongs. A payment's features are those of the minutes up to its own, its own included.
package main

import (
	"math"
	"strconv"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Payment is a payment as parse-payment emits it.
type Payment struct {
	PaymentID   []byte                      `field:"/payment_id"`
	UserID      string                      `field:"/user_id"`
	MerchantID  string                      `field:"/merchant_id"`
	Amount      float64                     `field:"/amount"`
	Currency    string                      `field:"/currency"`
	CardCountry millstream.Optional[string] `field:"/card_country"`
	TS          int64                       `field:"/ts"`
}

// Enriched is a payment with what its user did up to it.
type Enriched struct {
	PaymentID      []byte                      `field:"/payment_id"`
	UserID         string                      `field:"/user_id"`
	MerchantID     string                      `field:"/merchant_id"`
	Amount         float64                     `field:"/amount"`
	Currency       string                      `field:"/currency"`
	CardCountry    millstream.Optional[string] `field:"/card_country"`
	TS             int64                       `field:"/ts"`
	Count5m        int64                       `field:"/features/count_5m"`
	Spend5m        float64                     `field:"/features/spend_5m"`
	Count1h        int64                       `field:"/features/count_1h"`
	Spend1h        float64                     `field:"/features/spend_1h"`
	SinceLastMs    []byte                      `field:"/features/since_last_ms"` // a number or null
	CountryChanged bool                        `field:"/features/country_changed"`
}

// Velocity is the operator. Nothing in a history matters two hours after the last payment.
type Velocity struct {
	history millstream.Value[History] `state:"history,ttl=2h"`
	since   []byte
}

// New makes the operator.
func New(millstream.NoConfig) (*Velocity, error) { return &Velocity{}, nil }

// Process enriches a payment.
func (v *Velocity) Process(ctx *millstream.TypedContext[Enriched], payment *Payment) error {
	var features Features
	err := v.history.Update(func(history *History) {
		features = history.Add(payment.TS, cents(payment.Amount), payment.CardCountry)
	})
	if err != nil {
		return err
	}
	v.since = append(v.since[:0], "null"...)
	if features.SinceLastMs.Valid {
		v.since = strconv.AppendInt(v.since[:0], features.SinceLastMs.Value, 10)
	}
	return ctx.Emit(Enriched{
		PaymentID: payment.PaymentID, UserID: payment.UserID, MerchantID: payment.MerchantID, Amount: payment.Amount,
		Currency: payment.Currency, CardCountry: payment.CardCountry, TS: payment.TS,
		Count5m: features.Count5m, Spend5m: float64(features.Cents5m) / 100,
		Count1h: features.Count1h, Spend1h: float64(features.Cents1h) / 100,
		SinceLastMs: v.since, CountryChanged: features.CountryChanged,
	})
}

// cents of an amount; one that is out of all bounds is the largest there is.
func cents(amount float64) int64 {
	switch cents := math.Round(amount * 100); {
	case cents >= math.MaxInt64:
		return math.MaxInt64
	case cents <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(cents)
	}
}

// Program is the operator as the component exports it.
var Program = operator.ExportTyped(New)

func main() {}
