package main

import (
	"errors"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/config"
)

// newLog makes the log of a run: JSON in containers, text on a terminal.
func (a *app) newLog(settings config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.Level)); err != nil {
		level = slog.LevelInfo // the settings were checked
	}
	return slog.New(logHandler(a.errs, level, a.logsJSON(settings)))
}

func (a *app) logsJSON(settings config.Log) bool {
	return settings.Format == "json" || settings.Format == "auto" && !isTerminal(a.errs)
}

// logEnd makes the error that ends a run a line of its log where that is JSON:
// whoever collects the log parses each line, the last one above all.
func (p *plant) logEnd(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) || !p.app.logsJSON(p.settings.Log) {
		return err
	}
	end := problemOf(err)
	if end.done || end.code == exitInterrupted {
		return err
	}
	attrs := []any{"err", err.Error(), "exit_code", end.code}
	if end.next != "" {
		attrs = append(attrs, "next", end.next)
	}
	p.log.Error("the run has failed", attrs...)
	return &problem{code: end.code, err: err, done: true}
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
