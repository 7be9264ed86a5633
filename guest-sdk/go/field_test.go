package millstream

import (
	"math"
	"slices"
	"testing"
)

// sorts checks that fields, which are given in ascending order, have bytes in ascending order, and come back.
func sorts[K Field](t *testing.T, fields ...K) {
	t.Helper()
	var before []byte
	for at, field := range fields {
		bytes := appendField(nil, field)
		if at > 0 && slices.Compare(before, bytes) >= 0 {
			t.Errorf("%v has bytes that do not sort behind those of %v", field, fields[at-1])
		}
		if back, err := readField[K](bytes); err != nil || back != field {
			t.Errorf("%v comes back as %v, %v", field, back, err)
		}
		if _, err := readField[K]([]byte{0xff, 0xff, 0xff}); err == nil {
			t.Errorf("three bytes that are no text are read as %T", field)
		}
		before = bytes
	}
}

func TestFieldsSortAsTheirBytesDo(t *testing.T) {
	sorts(t, math.MinInt, -300, -1, 0, 1, 255, 256, math.MaxInt)
	sorts[int64](t, math.MinInt64, -300, -1, 0, 1, 255, 256, math.MaxInt64)
	sorts[int32](t, math.MinInt32, -300, -1, 0, 255, 256, math.MaxInt32)
	sorts[uint64](t, 0, 1, 255, 256, math.MaxUint64)
	sorts[uint32](t, 0, 1, 255, 256, math.MaxUint32)
	sorts[uint16](t, 0, 1, 255, 256, math.MaxUint16)
	sorts(t, "", "a", "ab", "b", "ü")
}
