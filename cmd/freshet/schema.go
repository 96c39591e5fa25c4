package main

import (
	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
)

func (a *app) schemaCommand() *cobra.Command {
	parent := &cobra.Command{Use: "schema", Short: "Print a JSON Schema, for editors", Args: args(cobra.NoArgs),
		Long: `  freshet schema spec > spec.schema.json
  freshet schema config > config.schema.json
  # yaml-language-server: $schema=spec.schema.json     (first line of a spec: VS Code and others complete its keys)

A JSON Schema covers keys and types. Expressions and references to names are checked by
freshet validate --watch.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, of := range []struct {
		name, what string
		schema     func() ([]byte, error)
	}{
		{"spec", "Print the JSON Schema of spec files", spec.Schema},
		{"config", "Print the JSON Schema of the settings file (--config)", config.Schema},
	} {
		parent.AddCommand(&cobra.Command{Use: of.name, Short: of.what, Args: args(cobra.NoArgs),
			Long: "  freshet schema " + of.name + " > " + of.name + ".schema.json",
			RunE: func(*cobra.Command, []string) error {
				data, err := of.schema()
				if err != nil {
					return err
				}
				_, err = a.out.Write(data)
				return err
			}})
	}
	return parent
}
