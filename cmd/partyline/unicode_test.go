package main_test

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// unicodeTexts returns the texts of a Unicode test file: from each line the
// code points before the first ';'.
func unicodeTexts(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open("/usr/share/unicode/" + name)
	if err != nil {
		t.Fatalf("the Unicode data is needed (make test installs unicode-data): %v", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".bz2") {
		r = bzip2.NewReader(f)
	}
	var texts []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		// NormalizationTest.txt has five columns, each a form of the same text.
		for _, column := range strings.Split(line, ";") {
			if text := codePoints(column); text != "" {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// codePoints reads "1F468 200D 1F469"; "" when it is something else.
func codePoints(column string) string {
	var b strings.Builder
	for _, hex := range strings.Fields(column) {
		n, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || len(hex) < 4 || n > unicode.MaxRune {
			return ""
		}
		b.WriteRune(rune(n))
	}
	return b.String()
}

// scripts are texts in several scripts, directions and compositions.
var scripts = []string{
	"Grüße, Jürgen – naïve façade", "e\u0301 is not \u00e9 here", "Ελληνικά και πολυτονικό ᾧ",
	"שלום עולם, 3 חתולים", "السلام عليكم ١٢٣ (mixed latin)", "\u202bright-to-left embedding\u202c",
	"नमस्ते दुनिया", "สวัสดีชาวโลก", "こんにちは、世界。カタカナ", "你好，世界", "안녕하세요",
	"🏳️‍🌈 👩🏽‍🚀 👨‍👩‍👧‍👦 🇨🇭 1️⃣", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𒀀",
	"tabs\tand\nlines", `"quotes" \backslashes\ </script><b>&amp;`, "\u2028line separator\u2029", "\ufeffbom",
	"non\u00a0breaking", "\U0010ffff last code point", strings.Repeat("ᾳ", 4000),
}

// TestEveryTextComesBack sends Unicode's emoji and normalisation test data, and
// texts in several scripts, and finds the same bytes in the events, in the
// history, and in the log.
func TestEveryTextComesBack(t *testing.T) {
	t.Parallel()
	texts := append([]string(nil), scripts...)
	for text := range chunked(unicodeTexts(t, "emoji/emoji-test.txt"), 40) {
		texts = append(texts, text)
	}
	for text := range chunked(unicodeTexts(t, "NormalizationTest.txt.bz2"), 200) {
		texts = append(texts, text)
	}
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir, "--gateway-sends-per-second", "0")
	c, err := dialChat(p.ws, "Ærøskøbing 🚢", "key-of-the-unicode-user")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.ask(map[string]any{"type": "join", "room": "babel"}, "joined"); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		checkEcho(t, c, i, text)
	}
	compare := func(where string, got []string) {
		t.Helper()
		if len(got) != len(texts) {
			t.Fatalf("%s: %d texts, not %d", where, len(got), len(texts))
		}
		for i := range texts {
			if got[i] != texts[i] {
				t.Errorf("%s: text %d is %+q, not %+q", where, i, got[i], texts[i])
			}
		}
	}
	compare("history", historyTexts(t, p, "babel"))
	if code := p.terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var logTexts []string
	for _, e := range replayRaw(t, dir, "babel") {
		logTexts = append(logTexts, e.Event.Text)
	}
	compare("log", logTexts)
}

// checkEcho sends a text and checks the event that comes back.
func checkEcho(t *testing.T, c *chatClient, i int, text string) {
	t.Helper()
	id := fmt.Sprintf("text-%d", i)
	if err := c.send(map[string]any{"type": "send", "room": "babel", "id": id, "text": text}); err != nil {
		t.Fatal(err)
	}
	for acked, seen := false, false; !acked || !seen; {
		f, err := c.read()
		if err != nil {
			t.Fatalf("text %d: %v", i, err)
		}
		switch f.Type {
		case "ack":
			acked = true
		case "event":
			seen = true
			if f.Event.Text != text {
				t.Errorf("event: text %d is %+q, not %+q", i, f.Event.Text, text)
			}
		case "error":
			t.Fatalf("text %d %+q: %s %s", i, text, f.Code, f.Message)
		}
	}
}

// historyTexts reads all of a room's history over REST, page by page.
func historyTexts(t *testing.T, p *process, room string) []string {
	t.Helper()
	var texts []string
	for after := uint64(0); ; {
		var page struct {
			Messages []wireMessage `json:"messages"`
			More     bool          `json:"more"`
		}
		p.get(fmt.Sprintf("/api/v1/rooms/%s/messages?limit=200&after=%d", room, after), &page)
		for _, m := range page.Messages {
			texts = append(texts, m.Text)
			after = m.Seq
		}
		if !page.More {
			return texts
		}
	}
}

// chunked joins n texts each, so that a hundred thousand become some hundreds.
func chunked(texts []string, n int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(texts) > 0 {
			k := min(n, len(texts))
			if !yield(strings.Join(texts[:k], " ")) {
				return
			}
			texts = texts[k:]
		}
	}
}
