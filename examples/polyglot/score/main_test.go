package main

import (
	"testing"

	"millstream.dev/millstream/millstreamtest"
)

func payment(amount string) string {
	return `{"payment_id":7,"user_id":"ada","amount":` + amount +
		`,"features":{"count_5m":1,"spend_1h":` + amount + `,"country_changed":false}}`
}

func TestLargePaymentsAreFlagged(t *testing.T) {
	score := millstreamtest.New(t, Program, `{"threshold": 0.5}`)
	small := score.Send(millstreamtest.Text("ada", payment("10.0")))
	large := score.Send(millstreamtest.Text("ada", payment("5000.0")))
	for _, expected := range []struct {
		outcome millstreamtest.Outcome
		value   string
	}{
		{small, `{"payment_id":7,"user_id":"ada","score":0.0142,"flagged":false}`},
		{large, `{"payment_id":7,"user_id":"ada","score":0.899,"flagged":true}`},
	} {
		if got := string(expected.outcome.Of("main")[0].Value); got != expected.value {
			t.Errorf("got %s, expected %s", got, expected.value)
		}
	}
}
