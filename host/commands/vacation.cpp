// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What senders are told while the owner of an account is away.
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/base/text.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

AdminReply not_understood(std::string error) {
  AdminReply reply;
  reply.status = 2;
  reply.error = std::move(error);
  return reply;
}

// RFC 3339, in UTC.
std::string moment_text(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

enum class DayMeans : std::uint8_t { its_begin, its_end };

// "2026-12-24", "2026-12-24T18:00", "2026-12-24T18:00:30Z".
std::optional<WallTime> parse_moment(std::string_view text, DayMeans meaning) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (text.ends_with('Z') || text.ends_with('z')) text.remove_suffix(1);
  if (text.size() != 10 && text.size() != 16 && text.size() != shape.size()) return std::nullopt;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_gap = at == 10 && (text[at] == 't' || text[at] == ' ');
    if (shape[at] == 'd' ? !is_digit(text[at]) : text[at] != shape[at] && !is_gap) return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t digits) {
    return at < text.size() ? static_cast<int>(parse_decimal(text.substr(at, digits)).value_or(0)) : 0;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)), std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const bool is_next_day = text.size() == 10 && meaning == DayMeans::its_end;
  return std::chrono::sys_days(date) + std::chrono::days(is_next_day ? 1 : 0) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

// What one word asks for; in words what is wrong with it.
std::optional<std::string> set_word(std::string_view word, autoreply::Settings& settings) {
  const auto equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  if (name == "subject") settings.subject = value;
  else if (name == "text") settings.text = value;
  else if (name == "as") settings.address = value;
  else if (name == "from" || name == "until") {
    const bool is_from = name == "from";
    const auto moment = parse_moment(value, is_from ? DayMeans::its_begin : DayMeans::its_end);
    if (!moment) return format("--{} must be a day or a time in UTC, as in 2026-12-24 or 2026-12-24T18:00, not \"{}\"", name, value);
    (is_from ? settings.from : settings.until) = moment;
  } else if (name == "days") {
    const auto days = parse_decimal(value, autoreply::limits::days_max);
    if (!days || *days < autoreply::limits::days_min)
      return format("--days must be a number from {} to {}, not \"{}\"", autoreply::limits::days_min, autoreply::limits::days_max, value);
    settings.days = static_cast<unsigned>(*days);
  } else {
    return format("\"{}\" is none of subject, text, as, from, until, days", name);
  }
  return std::nullopt;
}

std::string_view standing_of(const autoreply::Settings& settings, WallTime now) {
  if (!settings.enabled) return "off";
  if (settings.from && now < *settings.from) return "to come";
  return settings.until && now >= *settings.until ? "over" : "on";
}

AdminReply describe(const std::string& login, const autoreply::Settings& settings, WallTime now) {
  const std::string_view standing = standing_of(settings, now);
  AdminReply reply;
  reply.text = format("{}: automatic answers are {}\n", login, standing);
  if (settings.from) reply.text += format("  from     {}\n", moment_text(*settings.from));
  if (settings.until) reply.text += format("  until    {}\n", moment_text(*settings.until));
  reply.text += format("  subject  {}\n", settings.subject.empty() ? std::string("Auto: and that of the message") : settings.subject);
  reply.text += format("  as       {}\n", settings.address.empty() ? std::string("the address that the message was for") : settings.address);
  reply.text += format("  again    after {} days\n", settings.days);
  if (!settings.text.empty()) reply.text += "\n" + settings.text + (settings.text.ends_with('\n') ? "" : "\n");
  const auto time = [](const std::optional<WallTime>& moment) { return moment ? json_text(moment_text(*moment)) : std::string("null"); };
  reply.json = format("{{\"login\":{},\"enabled\":{},\"standing\":{},\"from\":{},\"until\":{},\"subject\":{},\"text\":{},\"as\":{},\"days\":{}}}\n",
                      json_text(login), settings.enabled, json_text(standing), time(settings.from), time(settings.until),
                      json_text(settings.subject), json_text(settings.text), json_text(settings.address), settings.days);
  return reply;
}

}  // namespace

// Without words it says how things are. Words begin an absence: its times are those given now, the rest stays as it was.
Task<AdminReply> administer_vacation(Stores& stores, AdminRequest request, Context context) {
  auto& accounts = stores.server->accounts();
  const std::string login = request.arguments.at(0);
  auto settings = co_await accounts.vacation(login, context);
  if (!settings) co_return failed(settings.error());
  const bool ends = request.options == std::vector<std::string>{"off"};
  if (ends) {
    settings->enabled = false;
  } else if (!request.options.empty()) {
    settings->enabled = true;
    settings->from.reset();
    settings->until.reset();
    for (const std::string& word : request.options)
      if (auto problem = word == "on" ? std::nullopt : set_word(word, *settings)) co_return not_understood(*std::move(problem));
  }
  if (!request.options.empty()) {
    autoreply::Settings wanted = *settings;
    const auto set = co_await accounts.set_vacation(login, std::move(wanted), context);
    if (!set && (set.error().kind() == ErrorKind::invalid || set.error().kind() == ErrorKind::too_large)) co_return not_understood(set.error().text());
    if (!set) co_return failed(set.error());
  }
  co_return describe(login, *settings, context.executor->wall_now());
}

}  // namespace keystonemail::host
