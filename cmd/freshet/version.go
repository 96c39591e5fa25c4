package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release: -X main.version=v0.1.0.
var version = ""

type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
}

func build() buildInfo {
	info := buildInfo{Version: version, Commit: "unknown", Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	read, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if info.Version == "" {
		info.Version = read.Main.Version
	}
	modified := false
	for _, s := range read.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.time":
			info.Date = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if modified {
		info.Commit += "+changes"
	}
	return info
}

func (a *app) versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Long: `  freshet version
  freshet version -o json
  freshet version -o json | jq -r .commit`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			info := build()
			if format == "json" {
				return writeJSON(a.out, info)
			}
			_, err := fmt.Fprintf(a.out, "freshet %s  commit %s  %s %s\n", info.Version, info.Commit, info.Go, info.OS)
			return err
		},
	}
	offerOutput(cmd, &format, "table", "json")
	return cmd
}
