// The brackets of a scheduled prompt: which of them are edits and what they choose between.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace easel {

struct ScheduleGrammar {
  // A range [begin, end) of pieces.
  struct Option {
    size_t begin;
    size_t end;
  };
  struct Edit {
    bool alternates;  // [a|b]: an option per step in turn; otherwise the second option comes after `when`
    std::vector<Option> options;
    std::string_view when;  // a number
    size_t end;             // the piece behind the edit
  };
  // A slice of the prompt as it stands, or the opening bracket of an edit.
  struct Piece {
    std::string_view text;
    std::optional<size_t> edit;
  };

  std::vector<Piece> pieces;
  std::vector<Edit> edits;
};

// Nothing if the prompt does not follow the grammar: a `|` outside of an edit, a backslash at the end of a line.
// `prompt` is UTF-8 and must outlive the result.
std::optional<ScheduleGrammar> parse_schedule(std::string_view prompt);

}  // namespace easel
