package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "partyline.yaml"

// maxFileBytes bounds the configuration file.
const maxFileBytes = 1 << 20

// ErrHelp is returned when the arguments ask for help.
var ErrHelp = flag.ErrHelp

// Source says where settings come from.
type Source struct {
	Args    []string            // flags, without the command
	Environ []string            // as os.Environ
	Flags   func(*flag.FlagSet) // declares further flags of the command; may be nil
	Name    string              // the command, for messages
}

// Load merges defaults, file, environment and flags, and validates the result.
// Its error lists every problem, a line each. It returns what is left of the
// arguments after the flags.
func Load(src Source) (Config, []string, error) {
	c := Default()
	set := flag.NewFlagSet(src.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	file := set.String("config", "", "YAML file with settings; default "+DefaultFile+" when present")
	flags := map[string]*string{}
	for _, f := range fields(&c) {
		flags[f.key] = set.String(f.flag(), "", f.doc)
	}
	if src.Flags != nil {
		src.Flags(set)
	}
	if err := set.Parse(src.Args); err != nil {
		return c, nil, err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })

	problems := applyFile(&c, *file)
	problems = append(problems, applyEnviron(&c, src.Environ)...)
	for _, f := range fields(&c) {
		if !given[f.flag()] {
			continue
		}
		if err := f.set(*flags[f.key]); err != nil {
			problems = append(problems, fmt.Errorf("flag --%s: %w", f.flag(), err))
		}
	}
	problems = append(problems, c.Validate()...)
	return c, set.Args(), errors.Join(problems...)
}

func applyFile(c *Config, name string) []error {
	optional := name == ""
	if optional {
		name = DefaultFile
	}
	data, err := readBounded(name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []error{fmt.Errorf("reading the configuration file: %w", err)}
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return []error{fmt.Errorf("%s: %w", name, err)}
	}
	if len(root.Content) == 0 {
		return nil
	}
	known := map[string]field{}
	for _, f := range fields(c) {
		known[f.key] = f
	}
	return applyNode(name, "", root.Content[0], known, map[string]bool{})
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxFileBytes)
	}
	return data, err
}

// applyNode walks a YAML tree; dots of keys are nesting.
func applyNode(file, prefix string, n *yaml.Node, known map[string]field, seen map[string]bool) []error {
	if n.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s:%d: expected keys and values under %q", file, n.Line, prefix)}
	}
	var problems []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := name.Value
		if prefix != "" {
			key = prefix + "." + key
		}
		if value.Kind == yaml.MappingNode {
			problems = append(problems, applyNode(file, key, value, known, seen)...)
			continue
		}
		f, ok := known[key]
		if !ok {
			problems = append(problems, fmt.Errorf("%s:%d: unknown key %q", file, name.Line, key))
			continue
		}
		if seen[key] {
			problems = append(problems, fmt.Errorf("%s:%d: key %q is given twice", file, name.Line, key))
			continue
		}
		seen[key] = true
		text, err := scalarText(value)
		if err == nil {
			err = f.set(text)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %w", file, value.Line, key, err))
		}
	}
	return problems
}

func scalarText(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", nil
		}
		return n.Value, nil
	case yaml.SequenceNode:
		parts := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("expected a list of plain values")
			}
			parts = append(parts, item.Value)
		}
		return strings.Join(parts, ","), nil
	}
	return "", errors.New("expected a plain value or a list")
}

// injected matches what Kubernetes and Docker links put into the environment
// of a container next to a service that is called partyline.
var injected = regexp.MustCompile(`^PARTYLINE[A-Z0-9_]*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_[0-9]+_.*)$|^PARTYLINE[A-Z0-9_]*_PORT$`)

func applyEnviron(c *Config, environ []string) []error {
	known := map[string]field{}
	for _, f := range fields(c) {
		known[f.env()] = f
	}
	var problems []error
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "PARTYLINE_") {
			continue
		}
		f, ok := known[name]
		switch {
		case ok:
			if err := f.set(text); err != nil {
				problems = append(problems, fmt.Errorf("environment %s: %w", name, err))
			}
		case !injected.MatchString(name):
			problems = append(problems, fmt.Errorf("environment %s: no such setting", name))
		}
	}
	return problems
}

// Write prints the effective settings as YAML, with the meaning of each and
// secrets masked.
func (c Config) Write(w io.Writer) error {
	for _, f := range fields(&c) {
		text, err := yaml.Marshal(f.text())
		if err != nil {
			return fmt.Errorf("rendering %s: %w", f.key, err)
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s: %s", f.doc, f.key, text); err != nil {
			return err
		}
	}
	return nil
}

// Usage prints every setting with its flag, default and meaning.
func Usage(w io.Writer) {
	c := Default()
	for _, f := range fields(&c) {
		fmt.Fprintf(w, "  --%-36s %s", f.flag(), f.doc)
		if d := f.text(); d != "" {
			fmt.Fprintf(w, " (default %s)", d)
		}
		fmt.Fprintln(w)
	}
}
