// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Words that people make passwords of: what comes to mind first in a handful of languages, written down for this table.
// In lower case and in order; of four letters and more.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace keystonemail::crypto {

inline constexpr std::array<std::string_view, 660> common_words{
    "abracadabra", "access", "admin", "administrador", "administrator", "alejandro", "alex", "alexander", "alexandra",
    "always", "amanda", "amazon", "america", "amor", "amour", "andrea", "andreas", "andrew", "android", "angel",
    "anna", "anonymous", "antoine", "anything", "apple", "april", "army", "arsenal", "ashley", "asshole", "august",
    "austin", "australia", "autumn", "baby", "babyboy", "babygirl", "bacon", "banana", "bank", "barcelona",
    "baseball", "basketball", "batman", "bayern", "beach", "bear", "bears", "beatles", "beautiful", "beauty",
    "benvenuto", "berlin", "bestfriend", "bienvenido", "bienvenue", "bird", "birdie", "birthday", "bitch", "bitcoin",
    "black", "blau", "bless", "bleu", "blue", "bonjour", "boss", "boston", "boxing", "brandon", "brazil", "brian",
    "brother", "brown", "bulls", "bullshit", "bunny", "burger", "business", "butter", "butterfly", "california",
    "camera", "camille", "canada", "candy", "captain", "carlos", "carmen", "cash", "change", "changeme", "charlie",
    "chat", "cheese", "cheetah", "chelsea", "cherry", "chicago", "chicken", "chief", "chien", "china", "chocolate",
    "chris", "christ", "christian", "christmas", "ciao", "cisco", "class", "coffee", "college", "color", "colour",
    "company", "computer", "contrasena", "contrasenya", "cookie", "cookies", "cool", "correcthorsebatterystaple",
    "cowboys", "cricket", "cuore", "daddy", "daisy", "dallas", "dance", "dancer", "daniel", "darling", "david",
    "debian", "december", "default", "demo", "desktop", "deutschland", "devil", "dezember", "diamond", "dick",
    "diego", "dienstag", "disco", "dmitri", "doctor", "dodgers", "doggy", "dolphin", "donkey", "donnerstag",
    "dontforget", "dragon", "drums", "dude", "eagle", "eagles", "eight", "elena", "elephant", "elvis", "email",
    "emily", "emma", "energy", "england", "enter", "espana", "everything", "example", "facebook", "faith", "falcon",
    "fall", "family", "father", "februar", "february", "felix", "fernando", "ferrari", "fire", "firma", "five",
    "florian", "florida", "flower", "football", "force", "ford", "forest", "forever", "forget", "forgot", "fortnite",
    "four", "france", "francesco", "francisco", "franz", "free", "freedom", "freitag", "friday", "friend", "friends",
    "fruehling", "fuck", "fuckyou", "fussball", "futbol", "gamer", "gaming", "gast", "gato", "geheim", "george",
    "germany", "ghost", "ginger", "giovanni", "girl", "giulia", "gold", "golden", "golf", "goodbye", "goodluck",
    "goodmorning", "goodnight", "google", "gorgeous", "grace", "gray", "green", "grey", "gruen", "guest", "guitar",
    "hallo", "hamburg", "hamster", "handsome", "hannah", "hans", "happy", "harley", "haslo", "hawk", "heaven", "hell",
    "hello", "herbst", "hockey", "hola", "holiday", "honda", "honey", "hope", "horse", "hugo", "hund", "hundred",
    "hunter", "idontknow", "iloveyou", "india", "initial", "internet", "iphone", "isabel", "island", "italia", "ivan",
    "james", "januar", "january", "jasmine", "jason", "jazz", "jean", "jennifer", "jessica", "jesus", "john",
    "johnny", "jordan", "jose", "joseph", "joshua", "juan", "juli", "julia", "july", "june", "juni", "justice",
    "justin", "juventus", "karl", "katarina", "katze", "kawasaki", "kennwort", "kevin", "keystone", "killer",
    "killme", "king", "kitten", "kitty", "klaus", "knight", "koala", "lady", "laptop", "laura", "lemon", "lena",
    "leon", "leopard", "letmein", "liberty", "liebe", "lightning", "lily", "linux", "lion", "lions", "lisa",
    "liverpool", "login", "logon", "london", "losenord", "louis", "love", "lovely", "loveme", "lover", "loveyou",
    "luca", "lucas", "lucia", "lucky", "lukas", "madrid", "maerz", "mail", "mailserver", "mama", "manager", "mango",
    "march", "marco", "maria", "marine", "mario", "markus", "martin", "master", "matrix", "matteo", "matthew", "maus",
    "maximilian", "mercedes", "metal", "metallica", "mexico", "michael", "michelle", "microsoft", "miguel", "million",
    "minecraft", "mittwoch", "modem", "moin", "mommy", "monday", "money", "monkey", "monster", "montag", "moon",
    "moscow", "motdepasse", "mother", "mountain", "mouse", "movie", "muenchen", "munich", "music", "mypass",
    "mypassword", "myself", "myword", "naruto", "natasha", "navy", "network", "newpassword", "newyork", "nicolas",
    "nicole", "nine", "ninja", "nintendo", "nirvana", "nobody", "noir", "nothing", "november", "number", "nurse",
    "ocean", "october", "office", "oktober", "oldpassword", "olga", "oliver", "olivia", "online", "openme",
    "opensesame", "operator", "oracle", "orange", "oscar", "owner", "pablo", "panda", "panther", "papa", "paris",
    "parola", "pass", "passcode", "passphrase", "passwd", "password", "passwordpassword", "passwort", "patrick",
    "paul", "peace", "peach", "pepper", "perro", "peter", "phoenix", "piano", "picture", "pierre", "pilot", "pink",
    "pirate", "pizza", "player", "playstation", "please", "pokemon", "police", "pony", "porsche", "postmaster",
    "power", "pretty", "prince", "princess", "privat", "private", "punk", "puppy", "purple", "pussy", "queen",
    "rabbit", "rain", "rainbow", "ranger", "rangers", "remember", "richard", "river", "robert", "rock", "rojo",
    "rome", "root", "rose", "rouge", "router", "royal", "rugby", "russia", "salasana", "salut", "samantha", "sample",
    "samstag", "samsung", "samurai", "sara", "sarah", "saturday", "schatz", "school", "schwarz", "scorpion",
    "sebastian", "secret", "secreto", "senha", "september", "sergei", "server", "servus", "sesame", "seven", "sexy",
    "shadow", "shark", "shit", "signin", "signup", "silver", "simon", "singer", "sister", "skate", "smile", "snake",
    "snow", "soccer", "soldier", "someone", "something", "sommer", "sommerzeit", "sonic", "sonntag", "sophia",
    "sophie", "spider", "spiderman", "spring", "springtime", "standard", "star", "stars", "start", "startrek",
    "starwars", "stefan", "stella", "stephan", "steven", "storm", "strawberry", "strong", "student", "sugar",
    "summer", "summertime", "sunday", "sunny", "sunshine", "supercalifragilistic", "superman", "superuser", "surfing",
    "suzuki", "sweet", "sweetheart", "sweetie", "sysadmin", "taylor", "teacher", "temp", "temporary", "tennis",
    "test", "tester", "testing", "testtest", "texas", "thankyou", "thepassword", "thequickbrownfox", "thomas",
    "thousand", "three", "thunder", "thursday", "tiger", "tigers", "tobeornottobe", "tobias", "topsecret", "toyota",
    "trial", "trust", "trustno", "tuesday", "turtle", "twitter", "tyler", "ubuntu", "unicorn", "university", "user",
    "username", "users", "vampire", "verde", "vienna", "violet", "visitor", "volleyball", "wachtwoord", "warrior",
    "water", "webmail", "wednesday", "weekend", "welcome", "whale", "whatever", "white", "wien", "william",
    "willkommen", "windows", "winter", "winterzeit", "wireless", "wizard", "wolf", "woman", "work", "xbox", "yamaha",
    "yankees", "yellow", "yourpassword", "youtube", "zebra", "zelda", "zero", "zombie", "zugang", "zurich"};
static_assert(std::ranges::is_sorted(common_words));

inline constexpr std::size_t common_word_letters_min = 4, common_word_letters_max = 25;

}  // namespace keystonemail::crypto
