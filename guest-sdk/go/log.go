package millstream

import (
	"context"
	"log/slog"
	"strings"

	"millstream.dev/millstream/internal/host"
)

// LogHandler returns a handler for log/slog that writes to the operator's log. In a component it is the default, so
// that slog.Info, and log.Print too, write there. A line of a level that the host does not keep is not even formatted,
// as long as it is written by slog's functions that take attributes.
//
// Levels below slog.LevelDebug are the host's trace.
func LogHandler() slog.Handler { return logHandler{} }

// LevelTrace is detail for a single record.
const LevelTrace = slog.LevelDebug - 4

type logHandler struct {
	// attributes are already written, group is the prefix of those to come.
	attributes string
	group      string
}

// kept says which levels the host keeps, asked for once a batch: bit level, once bit level + 8 is set.
var kept uint16

func forgetLevels() { kept = 0 }

func levelOf(level slog.Level) host.Level {
	switch {
	case level < slog.LevelDebug:
		return host.Trace
	case level < slog.LevelInfo:
		return host.Debug
	case level < slog.LevelWarn:
		return host.Info
	case level < slog.LevelError:
		return host.Warn
	}
	return host.Error
}

func (logHandler) Enabled(_ context.Context, level slog.Level) bool {
	at := levelOf(level)
	if kept>>(at+8)&1 == 0 {
		kept |= 1 << (at + 8)
		if host.LogEnabled(at) {
			kept |= 1 << at
		}
	}
	return kept>>at&1 == 1
}

func (h logHandler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Message)
	line.WriteString(h.attributes)
	record.Attrs(func(attribute slog.Attr) bool {
		appendAttribute(&line, h.group, attribute)
		return true
	})
	host.Log(levelOf(record.Level), line.String())
	return nil
}

func (h logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	var written strings.Builder
	written.WriteString(h.attributes)
	for _, attribute := range attributes {
		appendAttribute(&written, h.group, attribute)
	}
	h.attributes = written.String()
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

func appendAttribute(line *strings.Builder, group string, attribute slog.Attr) {
	value := attribute.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if attribute.Key != "" {
			group += attribute.Key + "."
		}
		for _, member := range value.Group() {
			appendAttribute(line, group, member)
		}
		return
	}
	if attribute.Equal(slog.Attr{}) {
		return
	}
	line.WriteByte(' ')
	line.WriteString(group)
	line.WriteString(attribute.Key)
	line.WriteByte('=')
	line.WriteString(value.String())
}
