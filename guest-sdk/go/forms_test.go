package millstream_test

import (
	"math"
	"testing"

	"millstream.dev/millstream"
)

func stored[T any](t *testing.T, value T) string {
	t.Helper()
	form := millstream.StoredAs[T]()
	bytes, err := form.Append(nil, &value)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := form.Read(bytes, &back); err != nil {
		t.Fatalf("%q: %v", bytes, err)
	}
	again, _ := form.Append(nil, &back)
	if string(again) != string(bytes) {
		t.Errorf("%q comes back as %q", bytes, again)
	}
	return string(bytes)
}

func TestStoredFormsAreThoseOfEveryLanguage(t *testing.T) {
	for want, got := range map[string]string{
		"\x02\x01\x00\x00\x00\x00\x00\x00": stored(t, uint64(258)),
		"\xfe\xff\xff\xff\xff\xff\xff\xff": stored(t, -2),
		"\xfd\xff\xff\xff":                 stored(t, int32(-3)),
		"\x05\x00":                         stored(t, uint16(5)),
		"\x07":                             stored(t, int8(7)),
		"\x00\x00\x00\x00\x00\x00\xf0\x3f": stored(t, 1.0),
		"\x00\x00\x80\x3f":                 stored(t, float32(1)),
		"\x01":                             stored(t, true),
		"päng":                             stored(t, "päng"),
		"\x00\xff":                         stored(t, []byte{0, 255}),
		`{"names":["<a>"]}`:                stored(t, profile{[]string{"<a>"}}),
		`[1,2]`:                            stored(t, []int{1, 2}),
		`{"a":1}`:                          stored(t, map[string]int{"a": 1}),
		`[2,null]`:                         stored(t, []millstream.Optional[int]{millstream.Some(2), {}}),
	} {
		if got != want {
			t.Errorf("%q is stored as %q", want, got)
		}
	}
	bit := millstream.StoredAs[bool]()
	if err := bit.Read([]byte{2}, new(bool)); err == nil {
		t.Error("2 is read as a bool")
	}
	text := millstream.StoredAs[string]()
	if err := text.Read([]byte{0xff}, new(string)); err == nil {
		t.Error("what is not UTF-8 is read as text")
	}
	bad := "\xff"
	if _, err := text.Append(nil, &bad); err == nil {
		t.Error("what is not UTF-8 is stored as text")
	}
}

func TestNumbersAndTextsAreWrittenAsInEveryLanguage(t *testing.T) {
	for value, want := range map[float64]string{
		1: "1.0", 0.1: "0.1", -2.5: "-2.5", 1e15: "1000000000000000.0", 1234500000000000.5: "1234500000000000.5",
		1e16: "1e+16", 1.5e300: "1.5e+300", 0.00001: "0.00001", 1e-6: "1e-6", 1.25e-7: "1.25e-7", 5e-324: "5e-324",
		math.Copysign(0, -1): "-0.0", math.Inf(1): "null", 9007199254740993: "9007199254740992.0",
	} {
		if got := string(millstream.AppendFloat(nil, value)); got != want {
			t.Errorf("%v is written as %s", value, got)
		}
	}
	if got := string(millstream.AppendText(nil, "a\"\\\n\t\r\b\f\x01ü\u2028\xff<")); got != `"a\"\\\n\t\r\b\f\u0001ü`+"\u2028\uFFFD<\"" {
		t.Errorf("%s", got)
	}
}

func TestAJSONWriterPutsCommasWhereTheyBelong(t *testing.T) {
	var w millstream.JSONWriter
	w.Object().Text("a", "x").Int("b", -1).Float("c", 1).Bool("d", true).Null("e").Raw("f", []byte("[]"))
	w.Member("g").Array().Object().EndObject().Value([]byte("2")).Array().EndArray().EndArray()
	w.Member("h").Object().Int("i", 1).EndObject().EndObject()
	want := `{"a":"x","b":-1,"c":1.0,"d":true,"e":null,"f":[],"g":[{},2,[]],"h":{"i":1}}`
	if got := string(w.Bytes()); got != want {
		t.Errorf("%s", got)
	}
}
