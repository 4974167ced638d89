-- _abroad: templates in other languages than English, as _prompts.lua has them; said as they are.
-- SPDX-License-Identifier: MIT
-- luacheck: ignore 631
--
-- All of it was written for Baton: German, French, Spanish, Italian, Portuguese, Dutch, Chinese, Japanese.

return {
   summarisation = [[
s Fasse [den Text|den Artikel|die E-Mail|das Protokoll] in [zwei|drei|vier] Sätzen zusammen.
s Kannst du mir [diesen Bericht|diese Nachricht] kurz zusammenfassen?
m Schreibe eine Zusammenfassung [des Berichts|der Sitzung] mit allen Terminen und Namen.
s Was sind die wichtigsten Punkte [dieses Textes|des Artikels]?
s Résume [ce texte|cet article|ce courriel] en [deux|trois|cinq] phrases.
s Peux-tu faire un résumé [de la réunion|du document] ci-dessous ?
s Quels sont les points clés [du texte|du rapport] ?
s Resume [este texto|este artículo|el informe] en [dos|tres|pocas] frases.
s ¿Puedes hacer un resumen [del artículo|de la reunión]?
s ¿Cuáles son los puntos principales [del texto|del informe]?
s Riassumi [questo testo|questo articolo] in [tre|poche] frasi.
s Resuma [este texto|o artigo] em [três|poucas] frases.
s Vat [deze tekst|het artikel] samen in [drie|een paar] zinnen.
s 请[总结|概括|简要总结][这篇文章|下面的文字|会议记录]。
s 用[三句话|一段话]概括以下内容
s [この記事|次の文章|会議の内容]を[要約|三行でまとめ]てください。
]],
   code = [[
s Schreibe eine Funktion in [Python|Java|Go], die [eine Liste umdreht|Duplikate entfernt|eine Datei liest].
s Wie [sortiere|filtere|lese] ich in [JavaScript|Python|SQL] [ein Array|eine Tabelle|eine JSON-Datei]?
m Mein [Python|Java|C]-Programm stürzt mit [einem Nullzeiger|einem KeyError|einer Ausnahme] ab, woran liegt das?
m Refaktoriere diese Klasse und schreibe Unit-Tests dafür.
s Écris [une fonction|un script] [Python|JavaScript|Bash] qui [inverse une chaîne|supprime les doublons|lit un fichier].
s Comment [parcourir un tableau|lire un fichier JSON|faire une jointure] en [Java|PHP|SQL] ?
m Mon code [Python|C] plante avec [cette erreur|une exception], pourquoi ?
s Escribe [una función|un script] en [Python|Java|Bash] que [ordene una lista|cuente palabras|borre archivos].
s ¿Cómo [leo un archivo|hago un bucle|conecto a la base de datos] en [PHP|Python|Node]?
m Corrige el error de este código y explica la causa.
s Scrivi una funzione [Python|Java] che [ordina una lista|calcola la media].
s Escreva uma função em [Python|JavaScript] que [ordene uma lista|leia um arquivo].
s Schrijf een [Python|SQL]-[functie|query] die [een lijst sorteert|alle klanten toont].
s 用[Python|Java|C++]写一个[函数|程序|脚本]，[反转字符串|排序列表|读取文件]。
s 这段代码为什么[报错|运行不了]？
s [Python|JavaScript]で[リストを並べ替える|ファイルを読む]関数を書いてください。
]],
   translation = [[
s Übersetze [diesen Satz|den folgenden Text|die E-Mail] ins [Englische|Französische|Spanische].
s Was heißt [Schraubenzieher|guten Appetit|Feierabend] auf [Englisch|Italienisch|Französisch]?
s Wie sagt man „[bis später|viel Glück]“ auf [Spanisch|Englisch]?
s Traduis [cette phrase|le texte suivant] en [anglais|allemand|espagnol].
s Comment dit-on [bonjour|bonne chance|à demain] en [italien|anglais] ?
s Traduce [esta frase|el siguiente texto] al [inglés|francés|alemán].
s ¿Cómo se dice [buena suerte|hasta luego] en [inglés|portugués]?
s Traduci [questa frase|il testo] in [inglese|francese].
s Traduza [esta frase|o texto] para o [inglês|espanhol].
s Vertaal [deze zin|de tekst] naar het [Engels|Duits].
s 把[这句话|下面的段落]翻译成[英文|法语|日语]。
s “[祝你好运|谢谢]”用[英语|西班牙语]怎么说？
s [この文|次の文章]を[英語|フランス語]に[翻訳して|訳して]ください。
]],
   analysis = [[
m Vergleiche [Miete und Kauf|Diesel und Elektroauto|zwei Angebote] und nenne Vor- und Nachteile.
m Analysiere [die Schwächen dieses Plans|die Verkaufszahlen|das Argument].
s Ist [diese Bewertung|dieser Kommentar] positiv oder negativ?
m Bewerte [unsere Strategie|diesen Vorschlag] und zeige die Risiken.
m Compare [les avantages et les inconvénients|ces deux offres|location et achat].
m Analyse [les points faibles de ce plan|ces chiffres].
s Cet avis est-il [positif ou négatif|favorable] ?
m Compara [las ventajas y desventajas|estas dos opciones] de [alquilar y comprar|cada plan].
m Analiza [los puntos débiles del plan|las ventas del trimestre].
m Confronta [i pro e i contro|le due offerte].
m Analise [os pontos fracos|as vendas] [deste plano|do trimestre].
m Vergelijk de voor- en nadelen van [huren en kopen|beide plannen].
m [分析|评估]一下[这个方案|销售数据|这个论点]的[优缺点|问题]。
m 比较[租房和买房|两种方案]的利弊
m [この案|売上]の[長所と短所|問題点]を[分析|比較]してください。
]],
   extraction = [[
s Extrahiere alle [Namen|Daten|Beträge|E-Mail-Adressen] aus [dem Text|der Rechnung].
s Welche [Firmen|Personen|Orte] werden im Text genannt? Gib sie als [Liste|JSON] aus.
s Nenne die [Rechnungsnummer|Telefonnummer] aus dieser Nachricht.
s Extrais [tous les noms|toutes les dates|les montants] [du texte|de la facture].
s Quelles [personnes|entreprises|villes] sont citées dans le texte ? Donne-les en JSON.
s Extrae [todos los nombres|todas las fechas|los importes] [del texto|de la factura].
s ¿Qué [empresas|personas|ciudades] se mencionan en el texto? Dame una lista.
s Estrai [tutti i nomi|tutte le date] dal testo.
s Extraia [todos os nomes|todas as datas] do texto.
s Haal alle [namen|datums|bedragen] uit de tekst.
s 从[下面的文本|这张发票|邮件]中提取[所有姓名|日期|金额]。
s 列出文中提到的[公司|人名|地点]，用JSON输出
s [文章|請求書]から[名前|日付|金額]を[抜き出して|抽出して]ください。
]],
   creative = [[
s Schreibe [ein Gedicht|eine kurze Geschichte|einen Slogan|einen Liedtext] über [das Meer|einen Hund|den Herbst].
m Erfinde [ein Märchen|eine Gutenachtgeschichte] von [einem Drachen|einer Hexe].
s Écris [un poème|une petite histoire|un slogan] sur [la mer|un chat|l'automne].
m Invente [un conte|une histoire] avec [un dragon|une sorcière].
s Escribe [un poema|un cuento|una canción] sobre [el invierno|un gato|la luna].
m Inventa [una historia|un cuento] de [dragones|piratas].
s Scrivi [una poesia|una storia] [sul mare|su un gatto].
s Escreva [um poema|uma história] sobre [a lua|um cachorro].
s Schrijf [een gedicht|een verhaaltje] over [de zee|een kat].
s 写一[首诗|个故事|篇童话]，[关于秋天|主角是一只猫]。
s [秋|猫]について[詩|短い物語]を書いてください。
]],
   chat = [[
s [Hallo|Hi|Guten Tag|Moin|Servus]!
s [Hallo|Hi], wie geht [es dir|es Ihnen]?
s [Danke|Vielen Dank], das [hilft mir sehr|war nett]!
s Mir ist langweilig, lass uns reden
s [Bonjour|Salut|Coucou] !
s [Bonjour|Salut], [ça va|comment vas-tu] ?
s Merci [beaucoup|pour ton aide], [à bientôt|bonne journée] !
s [Hola|Buenos días|Buenas tardes]!
s Hola, ¿[qué tal|cómo estás]?
s [Muchas gracias|Gracias], [hasta luego|eres muy amable]
s [Ciao|Buongiorno], come [stai|va]?
s [Olá|Oi|Bom dia], [tudo bem|como vai]?
s [Hallo|Hoi|Goedemorgen], hoe gaat het?
s [你好|您好|早上好|嗨]！
s 你[好吗|今天怎么样|是谁]？
s [谢谢你|多谢]，[再见|太好了]！
s [こんにちは|おはよう|こんばんは]！
s [元気ですか|お元気ですか]？
s ありがとう[ございます|、またね]
]],
   qa = [[
s Was ist die Hauptstadt von [Frankreich|Peru|Kanada]?
s Wer hat [Faust|die Glühbirne|die Zauberflöte] [geschrieben|erfunden|komponiert]?
s Warum ist [der Himmel blau|das Meer salzig]?
s Wann [endete der Dreißigjährige Krieg|fiel die Mauer|wurde Rom gegründet]?
m Erkläre mir, wie [ein Kühlschrank|eine Impfung|das Internet] funktioniert.
s Quelle est la capitale [de l'Italie|du Japon|du Canada] ?
s Qui a [écrit Les Misérables|inventé le téléphone|peint la Joconde] ?
s Pourquoi [le ciel est-il bleu|la mer est-elle salée] ?
m Explique comment fonctionne [un réfrigérateur|un vaccin].
s ¿Cuál es la capital de [Chile|Australia|Suecia]?
s ¿Quién [escribió Don Quijote|inventó la radio]?
s ¿Por qué [el cielo es azul|el mar es salado]?
m Explica cómo funciona [un imán|una vacuna].
s Qual è la capitale [della Spagna|del Perù]?
s Qual é a capital [do Canadá|da Austrália]?
s Wat is de hoofdstad van [Zweden|Canada]?
s [法国|日本|加拿大]的首都是[哪里|什么]？
s 谁[发明了电话|写了红楼梦]？
s 为什么[天空是蓝色的|海水是咸的]？
s [フランス|カナダ]の首都は[どこ|何]ですか？
s [誰が電話を発明|なぜ空は青いの][しましたか|ですか]？
]],
   mathematics = [[
s Wie viel ist [17 mal 23|ein Drittel von 96|12 % von 350]?
m Löse die Gleichung [2x + 3 = 11|x^2 - 5x + 6 = 0|3(x - 1) = 12].
m Ein Zug fährt [120|90] km in [zwei|drei] Stunden. Wie schnell ist er?
c Beweise, dass [die Wurzel aus 2 irrational ist|es unendlich viele Primzahlen gibt].
s Combien font [17 fois 23|12 % de 350] ?
m Résous l'équation [2x + 3 = 11|x^2 - 5x + 6 = 0].
m Calcule [la dérivée de x^3|l'intégrale de 2x|l'aire d'un cercle de rayon 4].
s ¿Cuánto es [17 por 23|el 12 % de 350]?
m Resuelve la ecuación [2x + 3 = 11|x^2 - 5x + 6 = 0].
m Calcula [la derivada de x^3|el área de un círculo de radio 4].
s Quanto fa [17 per 23|il 12 % di 350]?
s Quanto é [17 vezes 23|12% de 350]?
s Hoeveel is [17 keer 23|12 % van 350]?
m [解方程|求解] [2x + 3 = 11|x^2 - 5x + 6 = 0]
m [计算|求]x^3的[导数|积分]
m 方程式[2x + 3 = 11|x^2 = 16]を解いてください。
]],
   reasoning = [[
m Alle [Blips sind Blops|Katzen sind Tiere]. Einige [Blops sind Blups|Tiere fliegen]. Folgt daraus, dass einige [Blips Blups sind|Katzen fliegen]?
m [Anna|Ben] ist größer als [Clara|Dirk], aber kleiner als [Emil|Frida]. Wer ist am größten?
m Rätsel: [Ich habe Städte, aber keine Häuser|Was wird nasser, je mehr es trocknet]. Was bin ich?
m Tous les [chats|Bleps] sont des [animaux|Blops]. Peut-on en conclure que certains [animaux|Blops] sont des [chats|Bleps] ?
m [Anne|Luc] est plus âgé que [Marie|Paul], mais plus jeune que [Zoé|Hugo]. Qui est le plus âgé ?
m Devinette : [qu'est-ce qui a des dents mais ne mord pas|plus j'en ai, moins on voit] ?
m Todos los [gatos|blips] son [animales|blops]. ¿Se sigue que algunos [animales|blops] son [gatos|blips]?
m [Ana|Luis] es más alto que [Eva|Juan]. ¿Quién es el más alto?
m Adivinanza: [tengo agujas pero no coso|blanca por dentro, verde por fuera]. ¿Qué soy?
m Tutti i [gatti|blip] sono [animali|blop]. Possiamo concludere che alcuni [animali|blop] sono [gatti|blip]?
m 所有的[猫|甲]都是[动物|乙]，有些[动物|乙]是[黑色的|丙]。能推出[有些猫是黑色的|有些甲是丙]吗？
m [小明|小红]比[小刚|小丽]高，谁最高？请推理。
m すべての[猫|A]は[動物|B]です。[結論|次のこと]は正しいですか？論理的に説明してください。
]],
}
