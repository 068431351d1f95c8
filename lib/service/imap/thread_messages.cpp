// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/thread_messages.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/try.hpp"

namespace keystonemail::service::imap {

namespace {

using Node = std::uint32_t;
constexpr Node no_node = UINT32_MAX;
constexpr std::size_t items_between_pauses = 4'096;

// Messages are nodes 0 to n - 1, as the items; what is only referred to, and what joins threads, is a dummy after them.
class Forest {
 public:
  explicit Forest(const std::vector<ThreadItem>& items) : items_(items) {
    for (std::size_t i = 0; i < items.size(); ++i) (void)add();
  }

  Node add() {
    parent_.push_back(no_node);
    children_.push_back(0);
    first_.push_back(no_node);
    last_.push_back(no_node);
    next_.push_back(no_node);
    return static_cast<Node>(parent_.size() - 1);
  }
  [[nodiscard]] bool is_dummy(Node node) const noexcept { return node >= items_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return parent_.size(); }
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

  // Step 1: parents alone.
  [[nodiscard]] bool has_parent(Node node) const noexcept { return parent_[node] != no_node; }
  void unlink(Node child) {
    if (parent_[child] == no_node) return;
    --children_[parent_[child]];
    parent_[child] = no_node;
  }
  // Unless that would close a circle.
  void link(Node parent, Node child) {
    if (is_descendant(parent, child)) return;
    unlink(child);
    parent_[child] = parent;
    ++children_[parent];
  }

  // Step 2: lists of children, in the order of nodes. The heads of threads.
  std::vector<Node> gather() {
    std::vector<Node> heads;
    for (Node node = 0; node < size(); ++node) {
      if (parent_[node] == no_node) heads.push_back(node);
      else append(parent_[node], node);
    }
    return heads;
  }

  // Step 3.
  std::vector<Node> prune(const std::vector<Node>& heads) {
    std::vector<Node> order = top_down(heads);
    for (auto node = order.rbegin(); node != order.rend(); ++node) promote_children_of_dummies(*node);
    std::vector<Node> kept;
    for (const Node head : heads) {
      if (!is_dummy(head)) kept.push_back(head);
      else if (first_[head] != no_node) kept.push_back(next_[first_[head]] == no_node ? first_[head] : head);
    }
    return kept;
  }

  void append(Node parent, Node child) {
    next_[child] = no_node;
    (first_[parent] == no_node ? first_[parent] : next_[last_[parent]]) = child;
    last_[parent] = child;
  }
  void append_children(Node to, Node from) {
    if (first_[from] == no_node) return;
    (first_[to] == no_node ? first_[to] : next_[last_[to]]) = first_[from];
    last_[to] = std::exchange(last_[from], no_node);
    first_[from] = no_node;
  }

  // A dummy stands for its first child.
  [[nodiscard]] Node message_of(Node node) const noexcept { return is_dummy(node) ? first_[node] : node; }
  [[nodiscard]] bool before(Node a, Node b) const noexcept {
    a = message_of(a), b = message_of(b);
    return std::pair(items_[a].sent, a) < std::pair(items_[b].sent, b);
  }
  void sort(std::vector<Node>& nodes) const {
    std::ranges::sort(nodes, [this](Node a, Node b) { return before(a, b); });
  }
  void sort_children(Node node) {
    if (first_[node] == no_node || next_[first_[node]] == no_node) return;
    std::vector<Node> children;
    for (Node child = first_[node]; child != no_node; child = next_[child]) children.push_back(child);
    sort(children);
    first_[node] = last_[node] = no_node;
    for (const Node child : children) append(node, child);
  }
  [[nodiscard]] std::vector<Node> top_down(const std::vector<Node>& heads) const {
    std::vector<Node> order = heads;
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (Node child = first_[order[i]]; child != no_node; child = next_[child]) order.push_back(child);
    }
    return order;
  }

  // RFC 5256 §4: thread-list = "(" (thread-members / thread-nested) ")".
  [[nodiscard]] std::string format(const std::vector<Node>& heads) const {
    std::string out;
    std::vector<Node> open, siblings;  // still to be written; no_node closes a list
    for (const Node head : heads) {
      open.push_back(head);
      while (!open.empty()) {
        const Node next = open.back();
        open.pop_back();
        if (next == no_node) out += ')';
        else write_thread(next, out, open, siblings);
      }
    }
    return out;
  }

 private:
  // Whether `node` is below `ancestor`, or the same. Who has no children has nobody below.
  [[nodiscard]] bool is_descendant(Node node, Node ancestor) {
    if (node == ancestor) return true;
    if (children_[ancestor] == 0) return false;
    for (Node at = parent_[node]; at != no_node; at = parent_[at]) {
      ++steps_;
      if (at == ancestor) return true;
    }
    return false;
  }

  void promote_children_of_dummies(Node node) {
    Node child = std::exchange(first_[node], no_node);
    last_[node] = no_node;
    while (child != no_node) {
      const Node after = next_[child];
      if (is_dummy(child)) append_children(node, child);
      else append(node, child);
      child = after;
    }
  }

  void write_thread(Node node, std::string& out, std::vector<Node>& open, std::vector<Node>& siblings) const {
    out += '(';
    for (;;) {
      const Node child = first_[node];
      if (!is_dummy(node)) {
        out += std::to_string(items_[node].number);
        if (child != no_node) out += ' ';
      }
      if (child == no_node) break;
      if (next_[child] == no_node) {
        node = child;
        continue;
      }
      siblings.clear();
      for (Node at = child; at != no_node; at = next_[at]) siblings.push_back(at);
      open.push_back(no_node);
      open.insert(open.end(), siblings.rbegin(), siblings.rend());
      return;
    }
    out += ')';
  }

  const std::vector<ThreadItem>& items_;
  std::vector<Node> parent_, children_;      // of step 1: the parent, how many have it
  std::vector<Node> first_, last_, next_;    // afterwards: lists of children
  std::uint64_t steps_ = 0;
};

// Step 1.
class Linker {
 public:
  Linker(const std::vector<ThreadItem>& items, Forest& forest) : items_(items), forest_(forest) {}

  void take(Node message) {
    const ThreadItem& item = items_[message];
    Node parent = no_node;
    for (const std::string& reference : item.references) {
      const Node child = named(reference);
      if (parent != no_node && !forest_.has_parent(child)) forest_.link(parent, child);
      parent = child;
    }
    const Node node = message;
    forest_.unlink(node);
    if (parent != no_node) forest_.link(parent, node);
  }

  // The first message with an id has it; so this comes before any take().
  void name(Node message) {
    if (!items_[message].id.empty()) nodes_.emplace(items_[message].id, message);
  }

 private:
  Node named(const std::string& id) {
    const auto found = nodes_.find(id);
    return found != nodes_.end() ? found->second : nodes_.emplace(id, forest_.add()).first->second;
  }

  const std::vector<ThreadItem>& items_;
  Forest& forest_;
  std::map<std::string_view, Node> nodes_;
};

// Step 5.
class SubjectMerger {
 public:
  SubjectMerger(const std::vector<ThreadItem>& items, Forest& forest) : items_(items), forest_(forest), gone_(forest.size()) {}

  // First each head,
  void enter(Node head) {
    if (subject(head).empty()) return;
    const auto [at, fresh] = table_.emplace(subject(head), head);
    if (fresh || forest_.is_dummy(at->second)) return;
    if (forest_.is_dummy(head) || (is_reply(at->second) && !is_reply(head))) at->second = head;
  }
  // then each again,
  void join(Node head) {
    if (gone_[head] || subject(head).empty()) return;
    Node& kept = table_.find(subject(head))->second;
    if (kept == head) return;
    gone_[head] = true;
    if (forest_.is_dummy(kept) && forest_.is_dummy(head)) return forest_.append_children(kept, head);
    if (forest_.is_dummy(kept) || (is_reply(head) && !is_reply(kept))) return forest_.append(kept, head);
    const Node both = forest_.add();
    gone_[kept] = true;
    forest_.append(both, kept);
    forest_.append(both, head);
    gone_.push_back(false);
    made_.push_back(both);
    kept = both;
  }
  // and these are the heads then.
  [[nodiscard]] std::vector<Node> left_of(const std::vector<Node>& heads) const {
    std::vector<Node> kept;
    for (const Node head : heads) {
      if (!gone_[head]) kept.push_back(head);
    }
    kept.insert(kept.end(), made_.begin(), made_.end());
    return kept;
  }

 private:
  [[nodiscard]] const std::string& subject(Node head) const { return items_[forest_.message_of(head)].subject; }
  [[nodiscard]] bool is_reply(Node head) const { return !forest_.is_dummy(head) && items_[head].reply; }

  const std::vector<ThreadItem>& items_;
  Forest& forest_;
  std::map<std::string_view, Node> table_;
  std::vector<Node> made_;
  std::vector<bool> gone_;
};

}  // namespace

std::string normal_message_id(std::string_view id) {
  if (!id.starts_with('"')) return std::string(id);
  std::string out;
  for (std::size_t i = 1; i < id.size(); ++i) {
    if (id[i] == '"') return out.append(id.substr(i + 1));
    if (id[i] == '\\' && i + 1 < id.size()) ++i;
    out += id[i];
  }
  return std::string(id);  // no end of the quotes
}

Task<Result<std::string>> thread_by_references(std::vector<ThreadItem> items, const Pause& pause) {
  Forest forest(items);
  {
    Linker linker(items, forest);
    const auto count = static_cast<Node>(items.size());
    for (Node i = 0; i < count; ++i) {
      linker.name(i);
      if (i % items_between_pauses == 0) KM_CO_CHECK(co_await pause());
    }
    for (Node i = 0; i < count; ++i) {
      linker.take(i);
      if (forest.steps() > limits::thread_steps_max) co_return fail(ErrorKind::too_large, "threading takes too much work");
      if (i % items_between_pauses == 0) KM_CO_CHECK(co_await pause());
    }
  }
  std::vector<Node> heads = forest.gather();
  KM_CO_CHECK(co_await pause());
  heads = forest.prune(heads);
  for (const Node head : heads) {
    if (forest.is_dummy(head)) forest.sort_children(head);
  }
  const auto before = [&forest](Node a, Node b) { return forest.before(a, b); };
  KM_CO_CHECK(co_await sort_gently(heads, before, pause));
  {
    SubjectMerger merger(items, forest);
    for (std::size_t i = 0; i < heads.size(); ++i) {
      merger.enter(heads[i]);
      if (i % items_between_pauses == 0) KM_CO_CHECK(co_await pause());
    }
    for (std::size_t i = 0; i < heads.size(); ++i) {
      merger.join(heads[i]);
      if (i % items_between_pauses == 0) KM_CO_CHECK(co_await pause());
    }
    heads = merger.left_of(heads);
  }
  std::vector<Node> order = forest.top_down(heads);
  for (std::size_t i = 0; i < order.size(); ++i) {
    forest.sort_children(order[i]);
    if (i % items_between_pauses == 0) KM_CO_CHECK(co_await pause());
  }
  KM_CO_CHECK(co_await sort_gently(heads, before, pause));
  co_return forest.format(heads);
}

Task<Result<std::string>> thread_by_subject(std::vector<ThreadItem> items, const Pause& pause) {
  std::vector<Node> order(items.size()), heads;
  for (Node i = 0; i < order.size(); ++i) order[i] = i;
  const auto by_subject = [&items](Node a, Node b) {
    return std::tie(items[a].subject, items[a].sent, a) < std::tie(items[b].subject, items[b].sent, b);
  };
  KM_CO_CHECK(co_await sort_gently(order, by_subject, pause));
  Forest forest(items);
  for (const Node node : order) {
    if (heads.empty() || items[heads.back()].subject != items[node].subject) heads.push_back(node);
    else forest.append(heads.back(), node);
  }
  const auto before = [&forest](Node a, Node b) { return forest.before(a, b); };
  KM_CO_CHECK(co_await sort_gently(heads, before, pause));
  co_return forest.format(heads);
}

}  // namespace keystonemail::service::imap
