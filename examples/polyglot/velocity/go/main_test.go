package main

import (
	"fmt"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/millstreamtest"
)

const start = 1_700_000_040_000

func payment(user string, ts int64, amount float64, country string) millstreamtest.Record {
	return millstreamtest.JSON(user, map[string]any{
		"payment_id": ts, "user_id": user, "merchant_id": "m1", "amount": amount, "currency": "EUR",
		"card_country": country, "ts": ts,
	}).At(ts)
}

func TestEachPaymentComesOutWithItsUsersFeatures(t *testing.T) {
	velocity := millstreamtest.New(t, Program, "{}")
	outcome := velocity.Send(
		payment("a", start, 10.10, "DE"), payment("b", start, 99, "DE"), payment("a", start+1_000, 0.20, "BR"),
	)
	const common = `"merchant_id":"m1","amount":%s,"currency":"EUR","card_country":"%s","ts":%d,"features":{%s}}`
	want := []string{
		fmt.Sprintf(`{"payment_id":%d,"user_id":"a",`+common, start, "10.1", "DE", start,
			`"count_5m":1,"spend_5m":10.1,"count_1h":1,"spend_1h":10.1,"since_last_ms":null,"country_changed":false`),
		fmt.Sprintf(`{"payment_id":%d,"user_id":"b",`+common, start, "99.0", "DE", start,
			`"count_5m":1,"spend_5m":99.0,"count_1h":1,"spend_1h":99.0,"since_last_ms":null,"country_changed":false`),
		fmt.Sprintf(`{"payment_id":%d,"user_id":"a",`+common, start+1_000, "0.2", "BR", start+1_000,
			`"count_5m":2,"spend_5m":10.3,"count_1h":2,"spend_1h":10.3,"since_last_ms":1000,"country_changed":true`),
	}
	for at, text := range outcome.Texts() {
		if text != want[at] {
			t.Errorf("payment %d:\n got %s\nwant %s", at, text, want[at])
		}
	}
}

func TestWindowsSlideWithThePaymentsOwnTime(t *testing.T) {
	velocity := millstreamtest.New(t, Program, "{}")
	for _, step := range []struct{ minutes, count5m, count1h int64 }{
		{0, 1, 1}, {4, 2, 2}, {5, 2, 3}, {3, 2, 2}, {59, 1, 5}, {60, 2, 5}, {500, 1, 1},
	} {
		out := velocity.Send(payment("a", start+step.minutes*minuteMs, 1, "DE")).Only()
		got := millstreamtest.Decode[struct {
			Features struct {
				Count5m int64 `json:"count_5m"`
				Count1h int64 `json:"count_1h"`
			} `json:"features"`
		}](t, out).Features
		if got.Count5m != step.count5m || got.Count1h != step.count1h {
			t.Errorf("after %d minutes: %+v", step.minutes, got)
		}
	}
}

func TestWhatIsNoPaymentLeavesNoTrace(t *testing.T) {
	velocity := millstreamtest.New(t, Program, "{}")
	outcome := velocity.Send(millstreamtest.Text("a", "{}"), payment("a", start, 1, "DE"))
	if len(outcome.Failed) != 1 || outcome.Failed[0].Record != 0 || len(outcome.Emitted) != 1 {
		t.Errorf("%+v", outcome)
	}
}

func TestTheStoredFormIsThatOfEveryLanguage(t *testing.T) {
	var history History
	de, fr := millstream.Some("DE"), millstream.Some("FR")
	history.Add(60_000, 1_050, de)
	history.Add(120_001, 200, de)
	history.Add(61_000, 1, fr)
	stored, _ := history.AppendState(nil)
	if string(stored) != `{"m":[[1,2,1051],[2,1,200]],"l":120001,"c":"DE"}` {
		t.Errorf("%s", stored)
	}
	for _, form := range []string{
		string(stored), `{"m":[],"l":-5,"c":null}`, `{"m":[[-1,1,-20]],"l":1,"c":"a\"b"}`,
		`{"m": [[1, 2, 9223372036854775807]], "c": null, "l": null}`,
	} {
		var read History
		if err := read.DecodeState([]byte(form)); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		again, _ := read.AppendState(nil)
		var once History
		if err := once.DecodeState(again); err != nil || fmt.Sprint(once) != fmt.Sprint(read) {
			t.Errorf("%s is read as %s", form, again)
		}
	}
}
