package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/freshet-dev/freshet/config"
)

// pages are those that tell a reader what to type, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docker-compose.yml", "config/reference.yaml"} {
		files, err := filepath.Glob("../../" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(file, "../../")] = string(text)
		}
	}
	return texts
}

var (
	// At the beginning of a line, in code font, behind a pipe, a container or a folder.
	typedCommand = regexp.MustCompile("(?m)(?:^ *(?:\\$ )?|`|\\| |--rm |bin/)freshet ([^\n]*)")
	commandWord  = regexp.MustCompile(`'[^']*'|"[^"]*"|  +|[^\s'"]+`)
)

// commandsIn are the commands of freshet that a text tells a reader to type. One ends
// at the end of its line or code font, at a column of remarks, or where the shell
// takes over.
func commandsIn(text string) [][]string {
	var commands [][]string
	joined := regexp.MustCompile(`\\\n *`).ReplaceAllString(text, "")
	for _, m := range typedCommand.FindAllStringSubmatch(joined, -1) {
		line, _, _ := strings.Cut(m[1], "`")
		var words []string
		for _, w := range commandWord.FindAllString(line, -1) {
			if strings.ContainsAny(w[:1], " |<>;#") {
				break
			}
			words = append(words, strings.TrimRight(strings.Trim(w, `'"[]`), ".,"))
		}
		if len(words) > 0 && regexp.MustCompile(`^[a-z-]+$`).MatchString(words[0]) {
			commands = append(commands, words)
		}
	}
	return commands
}

// understood says whether this binary knows the verb and the flags.
func understood(words []string) error {
	root := (&app{}).rootCommand()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	var valueless *pflag.ValueRequiredError // a flag that a sentence only names
	if err := cmd.ParseFlags(rest); err != nil && !errors.As(err, &valueless) {
		return err
	}
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return usage("%s has no verb %s", cmd.Name(), args[0])
	}
	return nil
}

// A verb or a flag that was renamed stays in no page, and in no example of the help.
func TestCommandsOfPagesAreUnderstood(t *testing.T) {
	texts := pages(t)
	var helps func(*cobra.Command)
	helps = func(cmd *cobra.Command) {
		texts[cmd.CommandPath()+" --help"] = cmd.Long
		for _, sub := range cmd.Commands() {
			helps(sub)
		}
	}
	helps((&app{}).rootCommand())
	n := 0
	for page, text := range texts {
		for _, words := range commandsIn(text) {
			n++
			if err := understood(words); err != nil {
				t.Errorf("%s: freshet %s: %v", page, strings.Join(words, " "), err)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d commands found: looked in the wrong place", n)
	}
	for _, wrong := range []string{"`freshet valdate x`", "$ freshet test --covrage", "freshet dlq list"} {
		if found := commandsIn(wrong); len(found) != 1 || understood(found[0]) == nil {
			t.Errorf("%s: found %q, and understood", wrong, found)
		}
	}
}

// blocks are the fenced blocks of one language of a page, in order.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)\n```([a-z]*)\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// A reader who saves what the README says to save sees what it says he sees.
func TestTheFirstSpecOfTheReadme(t *testing.T) {
	specs, shown := blocks(t, "README.md", "yaml"), blocks(t, "README.md", "")
	t.Chdir(t.TempDir())
	check := func(spec string, want string, args ...string) {
		t.Helper()
		if err := os.WriteFile("first.freshet.yaml", []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		execute(append(args, "first.freshet.yaml"), nil, &out, &out)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in what freshet %s printed:\n%s", want, args[0], out.String())
		}
	}
	whole := specs[0] + specs[1]
	check(whole, strings.TrimPrefix(shown[1], "$ freshet test first.freshet.yaml\n"), "test")
	check(strings.Replace(whole, "count, windows:", "count, window:", 1), shown[2], "validate")
	right := strings.Replace(whole, "1m, entity: {card: c1}, features: {card_velocity.txn_count_1m: 2}", "1m, entity: {card: c1}, features: {card_velocity.txn_count_1m: 1}", 1)
	check(right, "1 passed, 2 lines compared", "test")
	check(right, "first  ok  1 source", "validate", "--strict")
	check(right, "", "fmt", "--check")
}

// The pieces of docs/spec.md are parts of one spec that can be run.
func TestTheSpecOfTheLanguagePage(t *testing.T) {
	const around = `
version: 1
namespace: page
owner: you@example.com
sources:
  transactions:
    type: kafka
    topic: transactions
    format: json
    timestamp_field: event_time
    id_field: txn_id
    fields:
      txn_id:     {type: string}
      event_time: {type: timestamp}
      card_id:    {type: string, optional: true}
      device_id:  {type: string, optional: true}
      channel:    {type: string, optional: true}
      amount:     {type: double}
      status:     {type: string, optional: true}
entities:
  card: {key: card_id}
  device: {key: device_id}
`
	yaml := blocks(t, "docs/spec.md", "yaml")
	var views, rest string
	for _, block := range yaml {
		switch {
		case strings.HasPrefix(block, "feature_views:"):
			views = block
		case strings.HasPrefix(block, "feature_services:"):
			rest = block
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("page.freshet.yaml", []byte(around+views+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := execute([]string{"test", "page.freshet.yaml"}, nil, &out, &out); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}

// docs/start.md has, for each kind of team, records to save and commands to type. They
// are typed here, in the order of the page.
func TestTheStartsOnFiles(t *testing.T) {
	records, typed, settings := blocks(t, "docs/start.md", "json"), blocks(t, "docs/start.md", "sh"), blocks(t, "docs/start.md", "yaml")
	if len(records) != 4 || len(typed) != 4 || len(settings) != 1 {
		t.Fatalf("%d blocks of records, %d of commands, %d of settings", len(records), len(typed), len(settings))
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("FRESHET_ENTITY_KEY_SECRET", "a secret of twenty bytes")
	if err := os.Symlink(examples, "examples"); err != nil {
		t.Fatal(err)
	}
	input := regexp.MustCompile(`--input \w+=(\S+)`)
	for i, lines := range typed {
		if err := os.WriteFile(input.FindStringSubmatch(lines)[1], []byte(records[i]), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, words := range commandsIn(lines) {
			var out, errs bytes.Buffer
			if code := execute(words, nil, &out, &errs); code != 0 {
				t.Errorf("freshet %s: exit code %d\n%s%s", strings.Join(words, " "), code, out.String(), errs.String())
			}
			if words[0] == "run" && !strings.Contains(errs.String(), "read 2, refused none") {
				t.Errorf("freshet %s: %s", strings.Join(words, " "), errs.String())
			}
		}
	}
	if err := os.WriteFile("settings.yaml", []byte(settings[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := execute([]string{"config", "view", "--origin", "--config", "settings.yaml"}, nil, &out, &out); code != 0 || !strings.Contains(out.String(), "aws_msk_iam") {
		t.Errorf("settings.yaml: exit code %d\n%s", code, out.String())
	}
}

// A setting that was renamed stays in no page.
func TestSettingsOfPagesExist(t *testing.T) {
	known := map[string]bool{}
	for _, key := range config.Keys() {
		for name := key.Name; name != ""; name = name[:max(strings.LastIndexByte(name, '.'), 0)] {
			known[name] = true // the groups, too
		}
	}
	n := 0
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile("`((?:kafka|redis|checkpoint|engine|log)\\.[a-z_.]+)[`:]").FindAllStringSubmatch(text, -1) {
			n++
			if !known[m[1]] {
				t.Errorf("%s: there is no setting %s", page, m[1])
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d settings found: looked in the wrong place", n)
	}
}
