package millstream_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"millstream.dev/millstream"
)

// Whatever bytes there are: they are read where encoding/json reads them, and to the same members.
func TestMembersAreThoseOfEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	seeds := []string{
		`{"a":1,"b":"x\"y","c":[1,{"d":null}],"e":{"f":-1.5e3,"g":[]},"h":true,"i":false}`,
		` { "" : "ü\u00fc\ud83d\ude00" , "n\n" : 0 } `, `{}`, `{"a":-0.0E+1}`, `[1]`, `"a"`, `{"a":tru}`,
	}
	const alphabet = "{}[]\",:\\u0e+-.1 \ntfn\x01\xff"
	valid := 0
	for range 200_000 {
		text := []byte(seeds[random.IntN(len(seeds))])
		for range random.IntN(3) {
			at := random.IntN(len(text))
			switch random.IntN(3) {
			case 0:
				text[at] = alphabet[random.IntN(len(alphabet))]
			case 1:
				text = append(text[:at], text[min(at+1+random.IntN(3), len(text)):]...)
			case 2:
				text = append(text[:at], append([]byte{alphabet[random.IntN(len(alphabet))]}, text[at:]...)...)
			}
			if len(text) == 0 {
				text = []byte{' '}
			}
		}
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(text, &want)
		isObject := wantErr == nil && want != nil
		// What is not UTF-8 encoding/json mends, and this refuses, as every other SDK does.
		isObject = isObject && strings.ToValidUTF8(string(text), "") == string(text)
		got := map[string]string{}
		err := millstream.ReadMembers(text, func(name string, value millstream.JSONValue) error {
			got[strings.Clone(name)] = string(value)
			return nil
		})
		if isObject != (err == nil) {
			t.Fatalf("%q: %v, but %v by encoding/json", text, err, wantErr)
		}
		if !isObject {
			continue
		}
		valid++
		if len(got) != len(want) {
			t.Fatalf("%q: %q", text, got)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Fatalf("%q: %q is %q", text, name, got[name])
			}
		}
	}
	if valid < 10_000 {
		t.Errorf("only %d of the texts were objects", valid)
	}
}

func TestValuesAreReadByTheirKind(t *testing.T) {
	value := func(text string) millstream.JSONValue { return millstream.JSONValue(text) }
	text, err := value(`"a\n\u00fc"`).Text()
	number, err2 := value(`-9223372036854775808`).Int()
	float, err3 := value(`1.5e3`).Float()
	bit, err4 := value(`true`).Bool()
	if got := fmt.Sprintf("%q %d %v %v", text, number, float, bit); got != `"a\nü" -9223372036854775808 1500 true` {
		t.Error(got, err, err2, err3, err4)
	}
	for _, err := range []error{
		second(value(`1`).Text()), second(value(`1.0`).Int()), second(value(`9223372036854775808`).Int()),
		second(value(`"1"`).Float()), second(value(`null`).Bool()), second(value(`true`).Float()),
	} {
		if err == nil || !strings.Contains(err.Error(), "` is no ") {
			t.Errorf("%v", err)
		}
	}
	if !value("null").IsNull() || value("0").IsNull() {
		t.Error("null is null alone")
	}
	var seen []string
	err = value(`[1,{"a":[2]}]`).Elements(func(element millstream.JSONValue) error {
		seen = append(seen, string(element))
		return element.Members(func(name string, value millstream.JSONValue) error {
			seen = append(seen, name, string(value))
			return nil
		})
	})
	if err == nil || fmt.Sprint(seen) != "[1]" {
		t.Error(seen, err)
	}
	deep := strings.Repeat("[", 100_000)
	if err := millstream.ReadMembers([]byte(`{"a":`+deep), func(string, millstream.JSONValue) error { return nil }); err == nil {
		t.Error("there is no end to it")
	}
}

func second[T any](_ T, err error) error { return err }
