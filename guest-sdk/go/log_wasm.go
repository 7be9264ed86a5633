package millstream

import "log/slog"

func init() { slog.SetDefault(slog.New(LogHandler())) }
