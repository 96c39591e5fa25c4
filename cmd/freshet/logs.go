package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/freshet-dev/freshet/config"
)

// newLog makes the log of a run: JSON in containers, text on a terminal.
func (a *app) newLog(settings config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.Level)); err != nil {
		level = slog.LevelInfo // the settings were checked
	}
	return slog.New(logHandler(a.errs, level, settings.Format == "json" || settings.Format == "auto" && !isTerminal(a.errs)))
}

func logHandler(w io.Writer, level slog.Level, json bool) slog.Handler {
	if json {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			attr.Value = slog.StringValue(attr.Value.Time().Format(time.TimeOnly))
		}
		return attr
	}})
}
