package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
)

// app is what every verb has at hand.
type app struct {
	in         io.Reader
	out, errs  io.Writer
	configFile string
	color      string // auto, always, never
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "freshet",
		Short: "A streaming feature engine: exact windows over payments and user activity",
		Long: `  freshet demo                                   see it work, without any service
  freshet test examples/quickstart               run the tests written in the specs
  freshet run examples/quickstart --brokers localhost:9092 --online-store redis://localhost:6379

Freshet reads event streams from Kafka, computes the windowed features that YAML specs define, keeps
them in Redis, and writes every event to an output topic with its features and scores.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// A flag given twice to no use, or completion of file names, is not
		// worth a pager of help: verbs say what is wrong in one line.
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", os.Getenv("FRESHET_CONFIG"), "settings file  [FRESHET_CONFIG]")
	flags.StringVar(&a.color, "color", "auto", "colour on stdout and stderr: auto, always or never")
	flags.StringP("namespace", "n", "", "the namespace to use, if the specs contain several  [FRESHET_NAMESPACE]")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &problem{code: exitUsage, err: err, next: cmd.CommandPath() + " --help"}
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if a.color != "auto" && a.color != "always" && a.color != "never" {
			return usage("--color %s: it is auto, always or never", a.color)
		}
		return checkOutput(cmd)
	}
	root.AddCommand(a.verbs()...)
	root.AddCommand(helpTopics()...)
	return root
}

// settings reads the runtime settings for a verb, with what may be misspelt on
// stderr.
func (a *app) settings(cmd *cobra.Command) (*config.Settings, error) {
	for _, warning := range config.Warnings(os.Environ()) {
		fmt.Fprintf(a.errs, "%s %s\n", a.ink(a.errs).warn("warning:"), warning)
	}
	s, err := config.Load(a.configFile, cmd.Flags())
	if err != nil {
		return nil, &problem{code: exitUsage, err: err}
	}
	return s, nil
}

// helpTopics are pages of help that are no verbs.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: `  0    success
  1    failed; or tests or checks found errors
  2    wrong usage: flags, arguments or settings
  4    not authorised: Kafka or the online store refused the credentials or a needed right
  5    a server is unreachable or did not answer in time
  70   internal error, with a dump
  130  interrupted
  143  ended by a second SIGTERM

A closed pipe (freshet tail | head) is 0. What runs until it is stopped (run, demo, tail, generate
--count 0, validate --watch) ends with 0 after Ctrl-C.`},
		{Use: "filters", Short: "The expressions of tail --filter", Long: filterHelp},
		{Use: "time", Short: "How times and durations are written", Long: `  90s 15m 24h 7d       durations: a whole number and ms, s, m, h or d
  2026-01-05T12:00:00Z RFC 3339, with a zone
  12:04, 12:04:31      that time today (local), for --since and --until
  today, yesterday     midnight of that day (local)

Windows are (t - w, t] in event time: an event at t counts, one exactly w old does not.`},
	}
}
