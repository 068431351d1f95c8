// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "json/value.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace keystonemail::json {

namespace {

using Node = nlohmann::json;

// How deep brackets nest, looked at before anything is built, so that no input makes us recurse far.
std::size_t depth_of(std::string_view text) noexcept {
  std::size_t depth = 0, deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Value from_node(Node& node) {
  if (node.is_boolean()) return node.get<bool>();
  if (node.is_number_unsigned() && node.get<std::uint64_t>() > INT64_MAX) return node.get<double>();
  if (node.is_number_integer()) return node.get<std::int64_t>();
  if (node.is_number_float()) return node.get<double>();
  if (node.is_string()) return std::move(node.get_ref<std::string&>());
  if (node.is_array()) {
    Array all;
    all.reserve(node.size());
    for (Node& one : node) all.push_back(from_node(one));
    return all;
  }
  if (node.is_object()) {
    Object all;
    for (auto& [name, one] : node.items()) all.emplace(name, from_node(one));
    return all;
  }
  return std::monostate{};
}

struct ToNode {
  Node operator()(std::monostate) const { return nullptr; }
  Node operator()(const Array& all) const {
    Node out = Node::array();
    for (const Value& one : all) out.push_back(std::visit(*this, static_cast<const Value::variant&>(one)));
    return out;
  }
  Node operator()(const Object& all) const {
    Node out = Node::object();
    for (const auto& [name, one] : all) out[name] = std::visit(*this, static_cast<const Value::variant&>(one));
    return out;
  }
  Node operator()(const auto& plain) const { return plain; }
};

template <class T>
T typed_member(const Value& value, std::string_view name, T otherwise) {
  const Value* found = member(value, name);
  const T* typed = found ? std::get_if<T>(found) : nullptr;
  return typed ? *typed : std::move(otherwise);
}

}  // namespace

const Value* member(const Value& value, std::string_view name) noexcept {
  const auto* object = std::get_if<Object>(&value);
  if (!object) return nullptr;
  const auto found = object->find(name);
  return found == object->end() ? nullptr : &found->second;
}

std::string text_member(const Value& value, std::string_view name, std::string otherwise) {
  return typed_member(value, name, std::move(otherwise));
}

std::int64_t number_member(const Value& value, std::string_view name, std::int64_t otherwise) {
  return typed_member(value, name, otherwise);
}

Result<Value> parse(std::string_view text) {
  if (depth_of(text) > limits::depth_max) return fail(ErrorKind::too_large, "JSON nested too deeply");
  Node node = Node::parse(text.begin(), text.end(), nullptr, false);
  if (node.is_discarded()) return fail(ErrorKind::invalid, "not JSON");
  return from_node(node);
}

std::string serialise(const Value& value) {
  return std::visit(ToNode{}, static_cast<const Value::variant&>(value)).dump(-1, ' ', false, Node::error_handler_t::replace);
}

}  // namespace keystonemail::json
