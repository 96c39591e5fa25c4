package main

import (
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
)

// allSettingFlags are the settings that have a flag, for verbs that show or
// use all of them.
var allSettingFlags = []string{"kafka.brokers", "kafka.group", "online_store", "state_dir", "delivery",
	"commit_interval", "kafka.accept_gap", "listen", "log.level", "log.format"}

func (a *app) configCommand() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "Show the settings in force", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var origin bool
	var format string
	view := &cobra.Command{
		Use:   "view",
		Short: "Show the effective settings and where each comes from",
		Long: `  freshet config view
  freshet config view --origin --config freshet-prod.yaml
  FRESHET_LISTEN=none freshet config view -o json

Settings come from the file of --config, overridden by FRESHET_* variables, overridden by flags. Of a secret
only the reference is shown, never the value. config/reference.yaml explains every setting.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.out, settings.View())
			}
			return a.settingsTable(settings.View(), origin)
		},
	}
	view.Flags().BoolVar(&origin, "origin", false, "show where each value came from")
	offerOutput(view, &format, "table", "json")
	config.AddFlags(view.Flags(), allSettingFlags...)
	parent.AddCommand(view)
	return parent
}

func (a *app) settingsTable(lines []config.Line, origin bool) error {
	ink := a.ink(a.out)
	var t table
	head := []string{"SETTING", "VALUE"}
	if origin {
		head = append(head, "ORIGIN")
	}
	t.add(head...)
	for _, line := range lines {
		row := []string{ink.key(line.Key), line.Value}
		if origin {
			row = append(row, line.Origin)
		}
		t.add(row...)
	}
	return t.write(a.out, ink)
}
