package main

import (
	"slices"

	"millstream.dev/millstream"
)

const (
	minuteMs = 60_000
	// Minutes of the windows.
	short, long = 5, 60
	// kept is the minutes that a payment which comes out of order may still look back to.
	kept = long + 5
)

// History is a user's payments of the last hour, counted by the minute.
type History struct {
	// Slices are the minutes in which something was paid, ascending.
	Slices []Slice
	// LastMs is the latest payment by its own time, Country that of its card.
	LastMs  millstream.Optional[int64]
	Country millstream.Optional[string]
}

// Slice is the payments of a minute: minutes since 1970, number, sum in cents.
type Slice struct{ Minute, Count, Cents int64 }

// Features are what a user did up to a payment.
type Features struct {
	Count5m, Cents5m, Count1h, Cents1h int64
	// SinceLastMs counts from the user's latest payment before; 0 for one that comes out of order.
	SinceLastMs millstream.Optional[int64]
	// CountryChanged: the card is of another country than at the latest payment before.
	CountryChanged bool
}

// Clone is a history of its own.
func (h History) Clone() History {
	h.Slices = slices.Clone(h.Slices)
	return h
}

// Add counts a payment and says how things stand at its time. One that is later than what is kept is not counted, so
// that a history never grows beyond it.
func (h *History) Add(ts, cents int64, country millstream.Optional[string]) Features {
	minute := floorDiv(ts, minuteMs)
	var features Features
	if h.LastMs.Valid {
		features.SinceLastMs = millstream.Some(max(saturatingSub(ts, h.LastMs.Value), 0))
	}
	features.CountryChanged = country.Valid && h.Country.Valid && country.Value != h.Country.Value
	if !h.LastMs.Valid || ts >= h.LastMs.Value {
		h.LastMs = millstream.Some(ts)
		if country.Valid {
			h.Country = country
		}
		h.Slices = slices.DeleteFunc(h.Slices, func(slice Slice) bool { return slice.Minute <= minute-kept })
	}
	if minute > floorDiv(h.LastMs.Value, minuteMs)-kept {
		h.count(minute, cents)
	}
	for _, slice := range h.Slices {
		if slice.Minute > minute || slice.Minute <= minute-long {
			continue
		}
		features.Count1h += slice.Count
		features.Cents1h += slice.Cents
		if slice.Minute > minute-short {
			features.Count5m += slice.Count
			features.Cents5m += slice.Cents
		}
	}
	return features
}

// count adds to the slice of a minute, which is nearly always the last one.
func (h *History) count(minute, cents int64) {
	at := len(h.Slices)
	for at > 0 && h.Slices[at-1].Minute > minute {
		at--
	}
	if at > 0 && h.Slices[at-1].Minute == minute {
		h.Slices[at-1].Count++
		h.Slices[at-1].Cents += cents
		return
	}
	h.Slices = slices.Insert(h.Slices, at, Slice{minute, 1, cents})
}

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func saturatingSub(a, b int64) int64 {
	const largest, smallest = 1<<63 - 1, -1 << 63
	switch difference := a - b; {
	case b < 0 && difference < a:
		return largest
	case b > 0 && difference > a:
		return smallest
	default:
		return difference
	}
}
