package millstream

import "millstream.dev/millstream/contract"

// mirror writes a column whose rows are its own or repeat rows of the input. What repeats the input is held as a run
// of rows and copied at once when the run breaks; where the run is the whole batch it is not copied at all.
type mirror struct {
	own      columnBuilder
	from, to int
}

func (m *mirror) reset() {
	m.own.reset()
	m.from, m.to = 0, 0
}

// repeat appends row of the input.
func (m *mirror) repeat(input *column, row int) {
	if m.to != row || m.from == m.to {
		m.settle(input)
		m.from = row
	}
	m.to = row + 1
}

// write returns the column to append rows of its own to.
func (m *mirror) write(input *column) *columnBuilder {
	if m.from != m.to {
		m.settle(input)
	}
	return &m.own
}

func (m *mirror) settle(input *column) {
	if m.from != m.to {
		m.own.extend(input, m.from, m.to)
	}
	m.from, m.to = 0, 0
}

func (m *mirror) truncate(rows int) {
	if kept := rows - m.own.len(); kept >= 0 {
		m.to = min(m.to, m.from+kept)
		return
	}
	m.from, m.to = 0, 0
	m.own.truncate(rows)
}

// finish shows the column; whole is the input's, which is passed on where every row of it is repeated in order.
func (m *mirror) finish(input *column, whole *contract.BytesColumn, rows int) contract.BytesColumn {
	if m.own.len() == 0 && m.from == 0 && m.to == rows {
		return *whole
	}
	m.settle(input)
	return m.own.finish()
}

// mirroredTimes are event times, in runs as the rows of a mirror.
type mirroredTimes struct {
	own      []int64
	from, to int
}

func (m *mirroredTimes) reset() {
	m.own = m.own[:0]
	m.from, m.to = 0, 0
}

func (m *mirroredTimes) repeat(input []int64, row int) {
	if m.to != row || m.from == m.to {
		m.settle(input)
		m.from = row
	}
	m.to = row + 1
}

func (m *mirroredTimes) push(input []int64, timestampMs int64) {
	m.settle(input)
	m.own = append(m.own, timestampMs)
}

func (m *mirroredTimes) settle(input []int64) {
	if m.from != m.to {
		m.own = append(m.own, input[m.from:m.to]...)
	}
	m.from, m.to = 0, 0
}

func (m *mirroredTimes) truncate(rows int) {
	if kept := rows - len(m.own); kept >= 0 {
		m.to = min(m.to, m.from+kept)
		return
	}
	m.from, m.to = 0, 0
	m.own = m.own[:rows]
}

func (m *mirroredTimes) finish(input []int64, rows int) []byte {
	if len(m.own) == 0 && m.from == 0 && m.to == rows {
		return bytesOf(input)
	}
	m.settle(input)
	return bytesOf(m.own)
}

// headerColumn reads headers.
type headerColumn struct {
	offsets       []uint32
	names, values column
}

func headersOf(c *contract.HeaderColumn) headerColumn {
	return headerColumn{offsets: numbers[uint32](c.Offsets), names: columnOf(&c.Names), values: columnOf(&c.Values)}
}

// headerBuilder writes headers; without offsets until a record has one.
type headerBuilder struct {
	offsets       []uint32
	names, values columnBuilder
}

func (h *headerBuilder) reset() {
	h.offsets = h.offsets[:0]
	h.names.reset()
	h.values.reset()
}

// push appends the headers of output row, which came of record source.
func (h *headerBuilder) push(row int, input *headerColumn, source int, output *Output) {
	inherits := !output.dropHeaders && len(input.offsets) != 0
	if len(h.offsets) == 0 && !inherits && len(output.headers) == 0 {
		return
	}
	if inherits {
		start, end := int(input.offsets[source]), int(input.offsets[source+1])
		h.names.extend(&input.names, start, end)
		h.values.extend(&input.values, start, end)
	}
	for _, added := range output.headers {
		h.names.pushText(added.name)
		h.values.push(added.value)
	}
	if len(h.offsets) == 0 {
		if h.names.len() == 0 {
			return
		}
		for range row + 1 {
			h.offsets = append(h.offsets, 0)
		}
	}
	h.offsets = append(h.offsets, uint32(h.names.len()))
}

func (h *headerBuilder) truncate(rows int) {
	if len(h.offsets) == 0 {
		return
	}
	h.offsets = h.offsets[:rows+1]
	h.names.truncate(int(h.offsets[rows]))
	h.values.truncate(int(h.offsets[rows]))
}

func (h *headerBuilder) finish() contract.HeaderColumn {
	if h.names.len() == 0 {
		return contract.HeaderColumn{}
	}
	return contract.HeaderColumn{Offsets: bytesOf(h.offsets), Names: h.names.finish(), Values: h.values.finish()}
}
