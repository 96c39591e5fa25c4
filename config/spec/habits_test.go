package spec

import "testing"

// What other languages have is told what to write, at the word itself.
func TestExpressionsOfOtherLanguages(t *testing.T) {
	status := &Field{Name: "status", Type: String, Enum: []string{"approved", "declined"}}
	names := []Name{
		{Text: "amount", Type: Double}, {Text: "is_test", Type: Bool}, {Text: "device", Type: String},
		{Text: "status", Type: String, Field: status}, {Text: "at", Type: Timestamp},
	}
	for text, want := range map[string]string{
		`status = "declined"`:                    "8 = equality is written ==",
		`status === "declined"`:                  "8 === write ==",
		`amount > 5 and is_test`:                 "12 and write &&",
		`is_test OR amount > 5`:                  "9 OR write ||",
		`"and" + device or is_test`:              "16 or write ||",
		`not is_test`:                            "1 not write !",
		`device is not null`:                     "8 is not null write present(name)",
		`device IS NULL`:                         "8 IS NULL write !present(name)",
		`status in ("a", "b")`:                   `8 in write name in ["a", "b"]`,
		`status not in ["a"]`:                    `8 not in write !(name in ["a", "b"])`,
		`amount between 1 and 2`:                 "8 between write name >= 1 && name <= 2",
		`status like "a%"`:                       `8 like write name.startsWith("a"), or endsWith, contains, matches`,
		`if is_test then 1 else 0`:               "1 if write condition ? a : b",
		`amount <> 2`:                            "8 <> write !=",
		`amount ** 2`:                            "8 ** write pow(a, b)",
		`amount ^ 2`:                             "8 ^ write pow(a, b)",
		`amount > ${MAX:3}`:                      "10 ${MAX:3} write the value itself",
		`"ü" == device and is_test`:              "15 and write &&",
		`status == declined`:                     `11 declined text is written in quotes: "declined"`,
		`event.amount > 5`:                       "1 event.amount write amount",
		`is_test == 1`:                           "9 = a bool stands for itself: write name, or !name",
		`lower(status) == "a"`:                   `6 ( ` + lowerHint,
		`status.lower() == "a"`:                  `13 ( ` + lowerHint,
		`hour(at) < 6`:                           "5 ( write event_time.getHours()",
		`coalesce(amount, 0) > 1`:                "9 ( " + coalesceHint,
		`sum(amount) > 1`:                        "4 ( " + aggregateHint,
		`(amount > 5`:                            "12  ",
		`amount > 5 && status == "and or not ="`: "",
		`amount >= 5 && amount <= 6 && amount != 7 && status == "x"`: "",
	} {
		env, err := NewEnv("", names)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if _, findings := env.Compile(text); len(findings) > 0 {
			f := findings[0]
			runes := []rune(text)
			got = itoa(f.Offset+1) + " " + string(runes[f.Offset:min(f.Offset+f.Length, len(runes))]) + " " + f.Suggestion
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A rule that reads the event is told of request_fields.
func TestRulesReadRequestFields(t *testing.T) {
	names := []Name{{Text: "velocity.n_1h", Type: Double}, {Text: "request.amount", Type: Double}}
	for text, want := range map[string]string{
		"event.amount > 5":  "write request.amount",
		"event.country > 5": "declare country under `request_fields` of the service, and write request.country",
		"amount > 5":        "write request.amount",
	} {
		env, err := NewEnv("", names)
		if err != nil {
			t.Fatal(err)
		}
		if _, findings := env.Compile(text); len(findings) != 1 || findings[0].Suggestion != want {
			t.Errorf("%s: %v, want %s", text, findings, want)
		}
	}
}
