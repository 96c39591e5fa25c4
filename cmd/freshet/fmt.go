package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/config/spec"
)

func (a *app) fmtCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [path...]",
		Short: "Rewrite specs in the standard layout",
		Long: `  freshet fmt examples/payments
  freshet fmt --check features/ models.yaml
  freshet fmt - < draft.yaml

Rewrites spec files and folders: two spaces per level, keys in the order of the reference, one-line mappings
kept if they fit in 120 columns. Comments, quotes and the order of names stay, and no value changes its
meaning. Prints the files that it changed. A file that is not valid YAML is refused, with the position.
--check changes nothing and exits with 1 if a file would change; - reads stdin and writes stdout.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 && given[0] == "-" {
				return a.formatStdin(check)
			}
			settings, err := a.settings(cmd)
			if err != nil {
				return err
			}
			paths, err := specPaths(given, settings)
			if err != nil {
				return err
			}
			return a.formatFiles(paths, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; exit 1 if a file would change")
	return cmd
}

func (a *app) formatStdin(check bool) error {
	data, err := io.ReadAll(io.LimitReader(a.in, spec.MaxFileBytes+1))
	if err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	out, err := a.format(spec.File{Name: "stdin", Data: data})
	switch {
	case err != nil:
		return err
	case out == nil:
		return found("1 file refused")
	case check && !bytes.Equal(out, data):
		return found("stdin is not formatted")
	case check:
		return nil
	}
	_, err = a.out.Write(out)
	return err
}

func (a *app) formatFiles(paths []string, check bool) error {
	files, err := spec.ReadFiles(paths)
	if err != nil {
		return &problem{code: exitUsage, err: err}
	}
	changed, refused := 0, 0
	for _, f := range files {
		out, err := a.format(f)
		if err != nil {
			return err
		}
		if out == nil {
			refused++
			continue
		}
		if bytes.Equal(out, f.Data) {
			continue
		}
		changed++
		if !check {
			if err := replaceFile(f.Name, out); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(a.out, f.Name); err != nil {
			return err
		}
	}
	switch {
	case refused > 0:
		return found(plural(refused, "file") + " refused")
	case check && changed > 0:
		fmt.Fprintf(a.errs, "%s not formatted: freshet fmt writes %s\n", plural(changed, "file"), itOrThem(changed))
		return found("not formatted")
	}
	return nil
}

func itOrThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// format is a file in the standard layout; nil where it was refused, and told
// why.
func (a *app) format(f spec.File) ([]byte, error) {
	out, diags, err := spec.Format(f)
	if err != nil {
		return nil, failed(err, "freshet validate "+f.Name)
	}
	if out == nil {
		return nil, diags.Render(a.errs)
	}
	return out, nil
}

// replaceFile writes a file whole or not at all: another one takes its place.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name) // the link stays one
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".freshet-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // what is left of it after an error
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
