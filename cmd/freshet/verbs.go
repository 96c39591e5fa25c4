package main

import "github.com/spf13/cobra"

// verbs is every verb, in the order of daily use.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{
		a.demoCommand(),
		a.runCommand(),
		a.validateCommand(),
		a.testCommand(),
		a.fmtCommand(),
		a.schemaCommand(),
		a.featuresCommand(),
		a.generateCommand(),
		a.getCommand(),
		a.tailCommand(),
		a.statusCommand(),
		a.dlqCommand(),
		a.configCommand(),
		a.versionCommand(),
	}
}
