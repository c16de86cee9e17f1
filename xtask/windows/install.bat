@echo off
rem Puts Tocco where hosts look for plugins. Run it as administrator: right-click it. Once more for a
rem new version; close your DAW first. What is there tells whether it worked.
setlocal
set "here=%~dp0"
set "common=%CommonProgramW6432%"
if not defined common set "common=%CommonProgramFiles%"

if not exist "%here%Tocco.clap" goto packed
if not exist "%here%Tocco.vst3" goto packed
if not exist "%common%\CLAP" mkdir "%common%\CLAP"
if exist "%common%\CLAP\Tocco.clap" del /q "%common%\CLAP\Tocco.clap"
if exist "%common%\CLAP\Tocco.clap" goto refused
copy "%here%Tocco.clap" "%common%\CLAP\Tocco.clap" >nul
if not exist "%common%\CLAP\Tocco.clap" goto refused

if not exist "%common%\VST3" mkdir "%common%\VST3"
if exist "%common%\VST3\Tocco.vst3" rmdir /s /q "%common%\VST3\Tocco.vst3"
if exist "%common%\VST3\Tocco.vst3" goto refused
xcopy /e /i /q /y "%here%Tocco.vst3" "%common%\VST3\Tocco.vst3" >nul
if not exist "%common%\VST3\Tocco.vst3\Contents\x86_64-win\Tocco.vst3" goto refused

echo Tocco is in "%common%\CLAP" and in "%common%\VST3".
echo Let your DAW search for plugins once more.
if not "%1"=="/quiet" pause
exit /b 0

:packed
echo Tocco.clap and Tocco.vst3 are not beside this file: extract the whole archive first, then run the
echo install.bat in that folder.
if not "%1"=="/quiet" pause
exit /b 1

:refused
echo Tocco could not be written to "%common%".
echo Close your DAW, then right-click this file and choose "Run as administrator".
if not "%1"=="/quiet" pause
exit /b 1
